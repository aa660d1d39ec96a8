package qfpay

// Verify selects what happens with the signature of an answer.
type Verify string

// The ways to treat X-QF-SIGN of an answer. See docs/security.md for what each is worth.
const (
	VerifyOff    Verify = "off"
	VerifyWarn   Verify = "warn"    // report it in the Payment and the Call, and go on
	VerifyStrict Verify = "strict"  // an answer with a wrong signature is Unanswered; an unsigned one too, once the merchant's answers have been signed
	VerifyAlways Verify = "require" // an answer with a wrong signature, or with none, is Unanswered
)

// Signature is the result of checking the signature of an answer. It is empty with VerifyOff.
type Signature string

// The results of checking a signature.
const (
	SignatureAbsent    Signature = "absent"
	SignatureRight     Signature = "right"
	SignatureWrong     Signature = "wrong"
	SignatureReflected Signature = "reflected" // it is the signature of the request
	SignatureUncovered Signature = "uncovered" // it is right, and does not cover what decides
)

// Signatures returns every result of checking a signature.
func Signatures() []Signature {
	return []Signature{SignatureAbsent, SignatureRight, SignatureWrong, SignatureReflected, SignatureUncovered}
}

// forged reports whether somebody without the key may have made or changed the answer, although
// it bears a signature.
func (s Signature) forged() bool { return s != "" && s != SignatureAbsent && s != SignatureRight }

// Scheme is how the signature of an answer is made.
type Scheme string

// The schemes. See docs/security.md.
const (
	SchemeBodyMD5    Scheme = "MD5 of the body"
	SchemeBodySHA256 Scheme = "SHA256 of the body"
	SchemeDataMD5    Scheme = "MD5 of the sorted members of data"
	SchemeDataSHA256 Scheme = "SHA256 of the sorted members of data"
)

// coversData reports whether the signature covers the members of data alone, so that nothing else
// of the answer may be read.
func (s Scheme) coversData() bool { return s == SchemeDataMD5 || s == SchemeDataSHA256 }
