package bench

import (
	"context"
	"testing"

	"nubo/sdk/identity"
)

// BenchmarkTokenIssue is a new token by the token method, with concurrency.
func BenchmarkTokenIssue(b *testing.B) {
	c := start(b)
	token, err := c.tokens.Token(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	in := map[string]any{"auth": map[string]any{
		"identity": map[string]any{"methods": []string{"token"}, "token": map[string]string{"id": token}},
		"scope":    map[string]any{"project": map[string]any{"name": "admin", "domain": map[string]string{"id": "default"}}},
	}}
	anonymous := c.client(5000, "/v3")
	anonymous.Tokens = nil
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := anonymous.Post(context.Background(), "/auth/tokens?nocatalog", in, nil); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tokens/s")
}

// BenchmarkTokenValidate is GET /v3/auth/tokens, with concurrency.
func BenchmarkTokenValidate(b *testing.B) {
	c := start(b)
	token, err := c.tokens.Token(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	client := identity.Client{Client: c.client(5000, "/v3")}
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := client.Validate(context.Background(), token); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "validations/s")
}
