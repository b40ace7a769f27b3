package fernet

import (
	"strings"
	"testing"
	"time"

	"nubo/internal/testx"
)

// TestSpecification opens the token of the Fernet specification's test
// vectors (generate.json and verify.json).
func TestSpecification(t *testing.T) {
	t.Parallel()
	k, err := ParseKey("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=")
	testx.NoErr(t, err)
	payload, issued, err := Open([]Key{NewKey(), k},
		"gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==")
	testx.NoErr(t, err)
	testx.Equal(t, string(payload), "hello")
	testx.Equal(t, issued.Unix(), int64(499162800))
}

func TestSealOpen(t *testing.T) {
	t.Parallel()
	k := NewKey()
	now := time.Unix(1700000000, 0).UTC()
	for n := range 40 {
		text := strings.Repeat("x", n)
		token := Seal(k, []byte(text), now)
		got, issued, err := Open([]Key{k}, token)
		testx.NoErr(t, err)
		testx.Equal(t, string(got), text)
		testx.Equal(t, issued, now)
		for i := range token {
			b := []byte(token)
			b[i] ^= 4
			if got, _, err := Open([]Key{k}, string(b)); err == nil && string(got) != text {
				t.Fatalf("a changed token opened as %q", got)
			}
		}
		_, _, err = Open([]Key{NewKey()}, token)
		testx.ErrIs(t, err, ErrInvalid)
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r, err := OpenRepository(dir, 3)
	testx.NoErr(t, err)
	other, err := OpenRepository(dir, 3)
	testx.NoErr(t, err)
	other.minAge = 0
	first := Seal(r.Keys()[0], []byte("a"), time.Now())
	testx.NoErr(t, r.Rotate())
	second := Seal(r.Keys()[0], []byte("b"), time.Now())
	for _, token := range []string{first, second} {
		_, _, err = Open(r.Keys(), token)
		testx.NoErr(t, err)
		_, _, err = Open(other.Keys(), token)
		testx.NoErr(t, err)
	}
	testx.NoErr(t, r.Rotate())
	testx.NoErr(t, r.Rotate())
	testx.Equal(t, len(r.Keys()), 3)
	_, _, err = Open(r.Keys(), first)
	testx.ErrIs(t, err, ErrInvalid)
	again, err := OpenRepository(dir, 3)
	testx.NoErr(t, err)
	testx.Equal(t, again.Keys(), r.Keys())
}

func FuzzOpen(f *testing.F) {
	k, err := ParseKey("cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=")
	testx.NoErr(f, err)
	f.Add("gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==")
	f.Add(Seal(k, nil, time.Now()))
	f.Fuzz(func(t *testing.T, token string) {
		payload, _, err := Open([]Key{k}, token)
		if err == nil && len(payload) > len(token) {
			t.Fatalf("%d bytes came of %d", len(payload), len(token))
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	k := NewKey()
	token := Seal(k, make([]byte, 90), time.Now())
	for b.Loop() {
		if _, _, err := Open([]Key{k}, token); err != nil {
			b.Fatal(err)
		}
	}
}
