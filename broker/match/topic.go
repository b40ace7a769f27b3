package match

import "strings"

// topic is a trie over the words of the binding keys: * matches one word, #
// any number of them.
type topic[D comparable] struct{ root *node[D] }

type node[D comparable] struct {
	words map[string]*node[D]
	star  *node[D]
	hash  *node[D]
	dests []D
}

func newTopic[D comparable](bindings []Binding[D]) topic[D] {
	t := topic[D]{root: &node[D]{}}
	for _, b := range bindings {
		n := t.root
		for rest, more := b.Key, b.Key != ""; more; {
			var word string
			word, rest, more = strings.Cut(rest, ".")
			n = n.child(word)
		}
		n.dests = append(n.dests, b.Dest)
	}
	return t
}

// child returns the node below n for a word of a binding key, making it if needed.
func (n *node[D]) child(word string) *node[D] {
	at := &n.star
	switch word {
	case "*":
	case "#":
		at = &n.hash
	default:
		if n.words == nil {
			n.words = make(map[string]*node[D])
		}
		if c := n.words[word]; c != nil {
			return c
		}
		c := &node[D]{}
		n.words[word] = c
		return c
	}
	if *at == nil {
		*at = &node[D]{}
	}
	return *at
}

// maxSteps bounds the work for one key. Keys are at most 255 bytes, but
// bindings full of # make the search exponential; past the bound the search
// switches to a slower one that is not.
const maxSteps = 4096

func (t topic[D]) Match(msg Message, dst []D) []D {
	s := search[D]{dst: dst, steps: maxSteps}
	s.walk(t.root, msg.Key, msg.Key != "")
	if s.steps > 0 {
		return s.dst
	}
	s = search[D]{dst: dst, seen: make(map[place[D]]bool)}
	s.walk(t.root, msg.Key, msg.Key != "")
	return s.dst
}

// place is a state of the search: a node and how much of the key is left.
type place[D comparable] struct {
	n    *node[D]
	left int
}

// search is one walk of the trie. With seen it visits no place twice, which
// bounds it by nodes × words; without, it counts its steps down and gives up.
type search[D comparable] struct {
	dst   []D
	steps int
	seen  map[place[D]]bool
}

// walk matches what is left of the key below n. more is false when no word is
// left, which is not the same as one empty word: "" has no word, "a." has two.
func (s *search[D]) walk(n *node[D], key string, more bool) {
	left := len(key)
	if !more {
		left = -1
	}
	if s.seen != nil {
		if s.seen[place[D]{n, left}] {
			return
		}
		s.seen[place[D]{n, left}] = true
	} else if s.steps--; s.steps <= 0 {
		return
	}
	if n.hash != nil {
		s.skip(n.hash, key, more)
	}
	if !more {
		s.dst = append(s.dst, n.dests...)
		return
	}
	word, rest, more := strings.Cut(key, ".")
	if c := n.words[word]; c != nil {
		s.walk(c, rest, more)
	}
	if n.star != nil {
		s.walk(n.star, rest, more)
	}
}

// skip walks below a # with every suffix of the key.
func (s *search[D]) skip(n *node[D], key string, more bool) {
	for {
		s.walk(n, key, more)
		if !more {
			return
		}
		_, key, more = strings.Cut(key, ".")
	}
}
