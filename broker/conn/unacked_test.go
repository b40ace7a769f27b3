package conn

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestUnackedAgainstModel compares the list with a plain slice of tags.
func TestUnackedAgainstModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var l unackedList
		var model []uint64
		var last uint64
		tags := func(list []unacked) []uint64 {
			out := []uint64{}
			for _, u := range list {
				out = append(out, u.tag)
			}
			return out
		}
		t.Repeat(map[string]func(*rapid.T){
			"push": func(t *rapid.T) {
				for range rapid.IntRange(1, 100).Draw(t, "n") {
					last += uint64(rapid.IntRange(1, 2).Draw(t, "step")) // tags of no-ack deliveries are missing
					l.push(unacked{tag: last})
					model = append(model, last)
				}
				if len(l.list) > 4*len(model)+200 {
					t.Fatalf("%d live take room for %d", len(model), len(l.list))
				}
			},
			"take": func(t *rapid.T) {
				for range rapid.IntRange(1, 60).Draw(t, "n") {
					if len(model) == 0 {
						return
					}
					i := rapid.IntRange(0, len(model)-1).Draw(t, "i")
					got, ok := l.take(model[i], false, nil)
					if !ok || !slices.Equal(tags(got), model[i:i+1]) {
						t.Fatalf("took %v, %v; want %d", tags(got), ok, model[i])
					}
					if _, again := l.take(model[i], false, nil); again {
						t.Fatalf("%d could be taken twice", model[i])
					}
					model = slices.Delete(model, i, i+1)
				}
			},
			"multiple": func(t *rapid.T) {
				if len(model) == 0 || rapid.IntRange(0, 3).Draw(t, "rarely") > 0 {
					return
				}
				i := rapid.IntRange(0, len(model)-1).Draw(t, "i")
				got, ok := l.take(model[i], true, nil)
				if !ok || !slices.Equal(tags(got), model[:i+1]) {
					t.Fatalf("took %v, %v; want %v", tags(got), ok, model[:i+1])
				}
				model = slices.Delete(model, 0, i+1)
			},
			"all": func(t *rapid.T) {
				if rapid.IntRange(0, 9).Draw(t, "rarely") > 0 {
					return
				}
				if got, ok := l.take(0, true, nil); !ok || !slices.Equal(tags(got), model) {
					t.Fatalf("took %v, %v; want %v", tags(got), ok, model)
				}
				model = nil
			},
			"": func(t *rapid.T) {
				if l.live != len(model) {
					t.Fatalf("holds %d; want %d", l.live, len(model))
				}
				for _, tag := range []uint64{0, last + 1} {
					if _, ok := l.take(tag, false, nil); ok {
						t.Fatalf("tag %d is known", tag)
					}
				}
			},
		})
	})
}
