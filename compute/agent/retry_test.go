package agent

import (
	"context"
	"testing"

	"nubo/internal/testx"
)

// TestMaking holds that what is being made is made to its end although the
// build that wants it has ended.
func TestMaking(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	got, err := making(ctx, func(ctx context.Context) (string, error) {
		cancel()
		return "made", ctx.Err()
	})
	testx.NoErr(t, err)
	testx.Equal(t, got, "made")
}
