package api

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzAppendText holds the hand-written JSON strings against encoding/json's
// reader: what was written is what is read.
func FuzzAppendText(f *testing.F) {
	for _, s := range []string{"", "plain", "a\"b\\c\n\x00\x1f", "ü€😀\u2028", "\xff\xfe", "a\xc3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var got string
		if err := json.Unmarshal(appendText(nil, s), &got); err != nil {
			t.Fatalf("%q: %v", s, err)
		}
		want := s
		if !utf8.ValidString(s) {
			var b strings.Builder
			for _, r := range s { // ranging replaces each bad byte
				b.WriteRune(r)
			}
			want = b.String()
		}
		if got != want {
			t.Fatalf("%q came back as %q", want, got)
		}
	})
}
