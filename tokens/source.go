package tokens

import (
	"context"
	"time"
)

// Secret is a text that is not printed.
type Secret string

// String implements [fmt.Stringer].
func (Secret) String() string { return "(secret)" }

// GoString implements [fmt.GoStringer].
func (s Secret) GoString() string { return s.String() }

// MarshalText implements [encoding.TextMarshaler].
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// Token is a bearer token.
type Token struct {
	Text    string
	Expires time.Time // zero: nobody knows
}

// Ask gets a new token.
type Ask func(ctx context.Context) (Token, error)

// Source holds a token. It is safe for concurrent use.
type Source struct {
	ask  Ask
	turn chan struct{} // to use what follows; who waits for a token can be cancelled

	current Token
	renew   time.Time // from when on there shall be another one; zero: only when it is refused
	refused bool      // current
}

// NewSource returns a source that asks for its first token when it is needed.
func NewSource(ask Ask) *Source {
	return &Source{ask: ask, turn: make(chan struct{}, 1), refused: true}
}

// earliest is how long before its end a token is renewed; one that lives shorter
// than five times that, a fifth of its life.
const earliest = time.Minute

// Token returns a token that is good for a while yet, and another one if the last
// was refused.
func (s *Source) Token(ctx context.Context, refused bool) (string, error) {
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return "", ctx.Err()
	}
	defer func() { <-s.turn }()
	if !refused && !s.refused && (s.renew.IsZero() || time.Now().Before(s.renew)) {
		return s.current.Text, nil
	}
	token, err := s.ask(ctx)
	if err != nil {
		return "", err
	}
	s.current, s.refused, s.renew = token, false, time.Time{}
	if !token.Expires.IsZero() {
		s.renew = token.Expires.Add(-min(earliest, max(0, time.Until(token.Expires)/5)))
	}
	return token.Text, nil
}

// Refuse tells that a token was refused; there may be another one by now.
func (s *Source) Refuse(token string) {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	s.refused = s.refused || token == s.current.Text
}
