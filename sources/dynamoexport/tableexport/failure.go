package tableexport

import (
	"regexp"
	"strings"
	"unicode"
)

var failureCode = regexp.MustCompile(`^[A-Za-z0-9_.]{1,64}$`)

// known are the words that may pass from a message of DynamoDB into ours: none of
// them is a name, an id or a value.
var known = func() map[string]bool {
	words := map[string]bool{}
	for word := range strings.FieldsSeq(`
		a access account acl active allowed an and are at attempt aws be because been being bucket by call cannot check
		contact could customer data decrypt delete deleted denied destination did disabled does doesn't dynamodb during enabled
		encrypt encryption error exceeded exist exists export exporting failed failure for found grant has have id iam in
		incorrect insufficient internal invalid is it item items key kms limit list lock longer made managed may missing more must
		no not object objects of on only or owner perform period permission permissions please point-in-time policy prefix put read
		recovery region request required resource retention retry role s3 server service specified status storage support supported
		table that the this throttled throttling time timed to token try unable unavailable unknown user using valid was were when
		which while window with within write writing you your`) {
		words[word] = true
	}
	return words
}()

// failure says why an export failed: DynamoDB's code, and of its message the words
// that are known to name nothing (I10).
func failure(e Export) string {
	code := "without a code"
	if failureCode.MatchString(e.FailureCode) {
		code = e.FailureCode
	}
	var said []string
	for word := range strings.FieldsSeq(e.FailureMessage) {
		plain := strings.ToLower(strings.TrimFunc(word, unicode.IsPunct))
		switch {
		case known[plain]:
			said = append(said, strings.TrimFunc(word, unicode.IsPunct))
		case len(said) == 0 || said[len(said)-1] != "...":
			said = append(said, "...")
		}
	}
	if len(said) == 0 {
		return code
	}
	return code + ": " + strings.Join(said[:min(len(said), 60)], " ")
}
