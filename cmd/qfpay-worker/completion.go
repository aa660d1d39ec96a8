package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"
)

// CompletionCmd prints a script for a shell.
type CompletionCmd struct {
	Shell string `arg:"" help:"bash, zsh or fish."`
}

// Help is shown below the flags.
func (CompletionCmd) Help() string {
	return `bash:  source <(qfpay-worker completion bash)
zsh:   source <(qfpay-worker completion zsh)
fish:  qfpay-worker completion fish | source
Put the line into the start file of your shell.`
}

// Run implements the command.
func (c *CompletionCmd) Run(std stdio, parsed *kong.Context) error {
	var found checks
	shell := found.choice("shell", c.Shell, "bash", "zsh", "fish")
	if err := found.err(); err != nil {
		return err
	}
	root := parsed.Model.Node
	if shell == "fish" {
		return completeFish(std.out, root, "__fish_use_subcommand")
	}
	frame := map[string]string{"bash": bashScript, "zsh": zshScript}[shell]
	_, err := fmt.Fprintf(std.out, frame, fmt.Sprintf(offerScript, strings.Join(offers(root, "qfpay-worker"), "\n")))
	return err
}

// offerScript prints what may follow the words before the cursor, as far as they are commands.
// bash and zsh both understand it.
const offerScript = `_qfpay_worker_offer() {
  local at="" offer word
  for word in qfpay-worker "$@"; do
    case "${at:+$at }$word" in
%s
    *) continue ;;
    esac
    at="${at:+$at }$word"
  done
  echo "$offer"
}
`

const bashScript = `%s_qfpay_worker() {
  COMPREPLY=($(compgen -W "$(_qfpay_worker_offer "${COMP_WORDS[@]:1:$((COMP_CWORD - 1))}")" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _qfpay_worker qfpay-worker
`

// zshScript serves as a file among zsh's functions, where zsh runs it as the function of that
// name, and in a start file, where it names itself to zsh. Where nothing of ours fits, it offers files.
const zshScript = `#compdef qfpay-worker
%s_qfpay-worker() {
  compadd -- ${=$(_qfpay_worker_offer "${(@)words[2,CURRENT-1]}")} || _files
}
if [[ $funcstack[1] == _qfpay-worker ]]; then
  _qfpay-worker
else
  (( $+functions[compdef] )) || { autoload -Uz compinit && compinit }
  compdef _qfpay-worker qfpay-worker
fi
`

// offers returns a line of offerScript for each command from a node on: its path, and what may follow.
func offers(node *kong.Node, path string) []string {
	var words, below []string
	for _, child := range commandsOf(node) {
		words = append(words, child.Name)
		below = append(below, offers(child, path+" "+child.Name)...)
	}
	for _, flag := range node.Flags {
		words = append(words, "--"+flag.Name)
	}
	if len(commandsOf(node)) == 0 {
		words = append(words, "--help")
	}
	return append([]string{fmt.Sprintf("    %q) offer=%q ;;", path, strings.Join(words, " "))}, below...)
}

// completeFish writes a line for each command and flag below a node; when is fish's condition for
// what may follow the node.
func completeFish(w io.Writer, node *kong.Node, when string) error {
	for _, child := range commandsOf(node) {
		if _, err := fmt.Fprintf(w, "complete -c qfpay-worker -n %q -a %s -d %q\n", when, child.Name, child.Help); err != nil {
			return err
		}
		below := "__fish_seen_subcommand_from " + child.Name
		if node.Parent != nil {
			below = when + "; and " + below
		}
		if err := completeFish(w, child, below); err != nil {
			return err
		}
	}
	for _, flag := range node.Flags {
		if _, err := fmt.Fprintf(w, "complete -c qfpay-worker -n %q -l %s -d %q\n", when, flag.Name, strings.ReplaceAll(flag.Help, "$", "")); err != nil {
			return err
		}
	}
	return nil
}

func commandsOf(node *kong.Node) (commands []*kong.Node) {
	for _, child := range node.Children {
		if child.Type == kong.CommandNode {
			commands = append(commands, child)
		}
	}
	return commands
}
