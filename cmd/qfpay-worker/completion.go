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
	var err error
	switch shell {
	case "fish":
		err = completeFish(std.out, parsed.Model.Node, "")
	case "zsh": // which understands bash's functions
		if _, err = io.WriteString(std.out, "autoload -U +X compinit && compinit\nautoload -U +X bashcompinit && bashcompinit\n"); err != nil {
			return err
		}
		fallthrough
	case "bash":
		_, err = fmt.Fprintf(std.out, bashScript, strings.Join(bashCases(parsed.Model.Node, ""), "\n"))
	}
	return err
}

// bashScript walks through the words before the cursor, as far as they are commands, and then
// offers what may follow.
const bashScript = `_qfpay_worker() {
  local path= words= word
  _qfpay_worker_words() {
    case "$1" in
%s
    *) return 1 ;;
    esac
  }
  for word in "${COMP_WORDS[@]:1:$((COMP_CWORD - 1))}"; do
    _qfpay_worker_words "$path $word" && path="$path $word"
  done
  _qfpay_worker_words "$path"
  COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _qfpay_worker qfpay-worker
`

// bashCases returns a line for each command below a node: its path, and what may follow.
func bashCases(node *kong.Node, path string) []string {
	var words, below []string
	for _, child := range commandsOf(node) {
		words = append(words, child.Name)
		below = append(below, bashCases(child, path+" "+child.Name)...)
	}
	for _, flag := range node.Flags {
		words = append(words, "--"+flag.Name)
	}
	if len(commandsOf(node)) == 0 {
		words = append(words, "--help")
	}
	return append([]string{fmt.Sprintf("    %q) words=%q ;;", path, strings.Join(words, " "))}, below...)
}

// completeFish writes a line for each command and flag below a node.
func completeFish(w io.Writer, node *kong.Node, path string) error {
	when := "__fish_use_subcommand"
	if path != "" {
		when = "__fish_seen_subcommand_from " + path
	}
	for _, child := range commandsOf(node) {
		if _, err := fmt.Fprintf(w, "complete -c qfpay-worker -n %q -a %s -d %q\n", when, child.Name, child.Help); err != nil {
			return err
		}
		if err := completeFish(w, child, child.Name); err != nil {
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
