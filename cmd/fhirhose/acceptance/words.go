package acceptance

import (
	"fmt"
	"time"

	"github.com/fhirhose/fhirhose/cmd/fhirhose/human"
)

// String says in words what is in no data store.
func (s *Set) String() string {
	var words string
	if s.Of == Refused {
		words = human.Plural(s.Records, "resource") + " that HealthLake has refused"
		if s.Unread > 0 {
			words += fmt.Sprintf(", %s of which it does not name", human.Count(s.Unread))
		}
		return words
	}
	words = human.Plural(s.Records, "record") + " that could not be moved"
	if s.Unread > 0 {
		words += fmt.Sprintf(", %s of which nobody can tell whose they are, so that no verification misses those resources", human.Count(s.Unread))
	}
	if s.Unsettled > 0 {
		words += fmt.Sprintf("; the last version of %s was not written", human.Plural(s.Unsettled, "resource"))
	}
	return words
}

// String says in one line what was accepted, by whom, when and why.
func (a *Acceptance) String() string {
	tenant := ""
	if a.Tenant != "" {
		tenant = "tenant " + a.Tenant + ": "
	}
	return fmt.Sprintf("%s%s, accepted by %s (%s, %s on %s) at %s because %s", tenant, &a.Set, a.By, a.Principal, a.User, a.Host, a.At.Format(time.RFC3339), a.Because)
}
