// Package pattern is the regular expressions of permissions and policies. They
// are Go's, and have what operators of RabbitMQ use of Perl's besides: look
// ahead behind the beginning, as in ^(?!amq\.|reply_).* for all but some names.
package pattern

import (
	"regexp"
	"strings"
)

// Pattern is a regular expression.
type Pattern struct {
	re    *regexp.Regexp
	ahead []ahead // what must hold at the beginning too
}

// ahead is one look ahead.
type ahead struct {
	re  *regexp.Regexp
	not bool
}

// Compile compiles a pattern.
func Compile(s string) (*Pattern, error) {
	re, err := regexp.Compile(s)
	if err == nil {
		return &Pattern{re: re}, nil
	}
	if p := compileAhead(s); p != nil {
		return p, nil
	}
	return nil, err
}

// compileAhead compiles a pattern that begins with look ahead; nil if that is
// not what is wrong with it.
func compileAhead(s string) *Pattern {
	rest, ok := strings.CutPrefix(s, "^")
	if !ok || choice(rest) {
		return nil
	}
	p := &Pattern{}
	for strings.HasPrefix(rest, "(?!") || strings.HasPrefix(rest, "(?=") {
		end := closing(rest)
		if end < 0 {
			return nil
		}
		re, err := regexp.Compile("^(?:" + rest[3:end] + ")")
		if err != nil {
			return nil
		}
		p.ahead = append(p.ahead, ahead{re, rest[2] == '!'})
		rest = rest[end+1:]
	}
	var err error
	if p.re, err = regexp.Compile("^(?:" + rest + ")"); err != nil || p.ahead == nil {
		return nil
	}
	return p
}

// closing is where the parenthesis that s begins with is closed, or -1.
func closing(s string) int {
	end := -1
	walk(s, func(i, depth int) bool {
		if s[i] == ')' && depth == 0 {
			end = i
		}
		return end < 0
	})
	return end
}

// choice tells whether s is one of several, outside of parentheses.
func choice(s string) bool {
	found := false
	walk(s, func(i, depth int) bool {
		found = found || s[i] == '|' && depth == 0
		return !found
	})
	return found
}

// walk calls f for the bytes of s that mean something, with how many
// parentheses are open behind them, until it returns false.
func walk(s string, f func(i, depth int) bool) {
	depth, class := 0, false
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			i++
			continue
		case class:
			class = c != ']'
			continue
		case c == '[':
			class = true
			if strings.HasPrefix(s[i+1:], "^]") {
				i += 2
			} else if strings.HasPrefix(s[i+1:], "]") {
				i++
			}
			continue
		case c == '(':
			depth++
		case c == ')':
			depth--
		}
		if !f(i, depth) {
			return
		}
	}
}

// MatchString tells whether the pattern matches somewhere in s.
func (p *Pattern) MatchString(s string) bool {
	for _, a := range p.ahead {
		if a.re.MatchString(s) == a.not {
			return false
		}
	}
	return p.re.MatchString(s)
}
