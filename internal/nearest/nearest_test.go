package nearest

import (
	"testing"

	"nubo/internal/testx"
)

func TestOf(t *testing.T) {
	t.Parallel()
	known := []string{"url", "max_pool_size", "debug", "server_create", "server_delete"}
	for _, tt := range []struct{ name, want string }{
		{"ulr", "url"},
		{"max_poolsize", "max_pool_size"},
		{"debgu", "debug"},
		{"server_creat", "server_create"},
		{"server_delet", "server_delete"},
		{"", "url"},
		{"debug", "debug"},
	} {
		testx.Equal(t, Of(tt.name, known), tt.want)
	}
	testx.Equal(t, Of("anything", nil), "")
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"", "abc", 3}, {"abc", "", 3}, {"abc", "abc", 0},
		{"kitten", "sitting", 3}, {"ab", "ba", 1}, {"abcd", "acbd", 1}, {"ca", "abc", 3},
	} {
		testx.Equal(t, distance(tt.a, tt.b), tt.want)
		testx.Equal(t, distance(tt.b, tt.a), tt.want)
	}
}
