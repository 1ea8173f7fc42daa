package dynamoexport

import "context"

// Peek returns up to limit compressed bytes from the beginning of object i. They
// are not verified: `check` looks at them, nothing is moved by them (I9).
func (s *Source) Peek(ctx context.Context, i int, limit int64) ([]byte, error) {
	return s.place.head(ctx, s.found[i], min(limit, s.found[i].size))
}
