package output

import "context"

// Token admits one holder at a time. It bounds the memory of what is heavy (I7).
type Token chan struct{}

// NewToken returns a token that nobody holds.
func NewToken() Token { return make(Token, 1) }

// Take waits until nobody else holds the token.
func (t Token) Take(ctx context.Context) error { return Send(ctx, t, struct{}{}) }

// Release gives the token back.
func (t Token) Release() { <-t }

// Send puts v into the channel unless the job ends first.
func Send[T any](ctx context.Context, to chan<- T, v T) error {
	select {
	case to <- v:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
