package policy

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
)

// op says what a node of a rule's tree is.
type op int

const (
	opTrue  op = iota // @ or nothing
	opFalse           // !
	opNot
	opAnd
	opOr
	opRule // rule:name
	opLeaf // any other check
)

// node is one node of a parsed rule.
type node struct {
	op   op
	text string  // as written, for explanations
	kids []*node // of not, and, or
	ref  string  // of rule:
	leaf leaf    // of any other check
}

// maxNesting bounds how deep parentheses and nots may go, because the parser
// recurses once for each.
const maxNesting = 100

// SyntaxError is a check string that does not parse.
type SyntaxError struct {
	Column int // in the check string, from 1, in bytes
	Msg    string
}

// Error gives the place and the problem.
func (e *SyntaxError) Error() string { return fmt.Sprintf("column %d: %s", e.Column, e.Msg) }

// token is a word of a check string: one parenthesis, an operator in lower
// case, or a check.
type token struct {
	text  string
	at    int
	check bool
}

// tokenize splits at white space, then takes parentheses off both ends of each
// word: those inside, as in %(name)s, belong to the check.
func tokenize(s string) []token {
	var out []token
	for i := 0; i < len(s); {
		word := s[i:]
		if n := strings.IndexFunc(word, unicode.IsSpace); n >= 0 {
			word = word[:n]
		}
		at := i
		i += max(len(word), 1)
		for strings.HasPrefix(word, "(") {
			out = append(out, token{text: "(", at: at})
			word, at = word[1:], at+1
		}
		inner := strings.TrimRight(word, ")")
		switch lower := strings.ToLower(inner); lower {
		case "":
		case "and", "or", "not":
			out = append(out, token{text: lower, at: at})
		default:
			out = append(out, token{text: inner, at: at, check: true})
		}
		for n := len(inner); n < len(word); n++ {
			out = append(out, token{text: ")", at: at + n})
		}
	}
	return out
}

// parser is a recursive descent over tokens: or binds least, then and, then
// not.
type parser struct {
	tokens []token
	end    int // where the string ends, for errors
	depth  int
}

// parse reads a rule in the policy language. The empty string allows everyone.
func parse(s string) (*node, error) {
	if s == "" {
		return &node{op: opTrue, text: "@"}, nil
	}
	p := &parser{tokens: tokenize(s), end: len(s)}
	n, err := p.or()
	if err != nil {
		return nil, err
	}
	if len(p.tokens) > 0 {
		t := p.tokens[0]
		return nil, p.fail("%q follows where \"and\", \"or\" or the end should", t.text)
	}
	return n, nil
}

func (p *parser) fail(format string, args ...any) error {
	at := p.end
	if len(p.tokens) > 0 {
		at = p.tokens[0].at
	}
	return &SyntaxError{Column: at + 1, Msg: fmt.Sprintf(format, args...)}
}

// accept takes the next token if it is the operator.
func (p *parser) accept(operator string) bool {
	if len(p.tokens) == 0 || p.tokens[0].check || p.tokens[0].text != operator {
		return false
	}
	p.tokens = p.tokens[1:]
	return true
}

func (p *parser) or() (*node, error) { return p.chain(opOr, "or", p.and) }

func (p *parser) and() (*node, error) { return p.chain(opAnd, "and", p.not) }

func (p *parser) chain(o op, operator string, operand func() (*node, error)) (*node, error) {
	first, err := operand()
	if err != nil {
		return nil, err
	}
	n := &node{op: o, text: operator, kids: []*node{first}}
	for p.accept(operator) {
		next, err := operand()
		if err != nil {
			return nil, err
		}
		n.kids = append(n.kids, next)
	}
	if len(n.kids) == 1 {
		return first, nil
	}
	return n, nil
}

func (p *parser) not() (*node, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxNesting {
		return nil, p.fail("nested deeper than %d", maxNesting)
	}
	switch {
	case p.accept("not"):
		kid, err := p.not()
		if err != nil {
			return nil, err
		}
		return &node{op: opNot, text: "not", kids: []*node{kid}}, nil
	case p.accept("("):
		n, err := p.or()
		if err != nil {
			return nil, err
		}
		if !p.accept(")") {
			return nil, p.fail("a \")\" is missing")
		}
		return n, nil
	case len(p.tokens) == 0:
		return nil, p.fail("a check is missing at the end")
	case !p.tokens[0].check:
		return nil, p.fail("%q stands where a check should", p.tokens[0].text)
	}
	n, err := parseCheck(p.tokens[0].text)
	if err != nil {
		return nil, p.fail("%s", err)
	}
	p.tokens = p.tokens[1:]
	return n, nil
}

// parseList reads the older list syntax: or over the outer list, and over each
// inner one, whose members are single checks.
func parseList(alternatives [][]string) (*node, error) {
	if len(alternatives) == 0 {
		return parse("")
	}
	or := &node{op: opOr, text: "or"}
	for _, checks := range alternatives {
		and := &node{op: opAnd, text: "and"}
		for _, s := range checks {
			n, err := parseCheck(s)
			if err != nil {
				return nil, err
			}
			and.kids = append(and.kids, n)
		}
		switch len(and.kids) {
		case 0: // an empty inner list is skipped, as in the original
		case 1:
			or.kids = append(or.kids, and.kids[0])
		default:
			or.kids = append(or.kids, and)
		}
	}
	switch len(or.kids) {
	case 0:
		return &node{op: opFalse, text: "!"}, nil
	case 1:
		return or.kids[0], nil
	}
	return or, nil
}

// parseCheck reads one check: @, ! or kind:match.
func parseCheck(s string) (*node, error) {
	switch s {
	case "@":
		return &node{op: opTrue, text: s}, nil
	case "!":
		return &node{op: opFalse, text: s}, nil
	}
	kind, match, ok := strings.Cut(s, ":")
	if !ok || isQuoted(s) {
		return nil, fmt.Errorf("%q is no check: one is written kind:match, @ or !", s)
	}
	if kind == "rule" {
		return &node{op: opRule, text: s, ref: match}, nil
	}
	l, err := newLeaf(kind, match)
	if err != nil {
		return nil, err
	}
	return &node{op: opLeaf, text: s, leaf: l}, nil
}

// isQuoted tells a check in quotes as a whole, which is a string and therefore
// no check, from one whose left side is quoted.
func isQuoted(s string) bool {
	return len(s) >= 2 && s[0] == s[len(s)-1] && (s[0] == '"' || s[0] == '\'')
}

// newLeaf makes the check of a kind.
func newLeaf(kind, match string) (leaf, error) {
	switch kind {
	case "http", "https":
		return nil, errors.New("checks by a remote server (http:, https:) are not supported")
	case "field":
		return newFieldLeaf(match)
	}
	right, err := parseTemplate(match)
	if err != nil {
		return nil, err
	}
	if kind == "role" {
		for i := range right.parts { // roles compare without case
			right.parts[i].text = strings.ToLower(right.parts[i].text)
		}
		return &roleLeaf{right}, nil
	}
	constant, ok, err := literal(kind)
	if err != nil {
		return nil, err
	}
	if ok {
		return &literalLeaf{constant, right}, nil
	}
	if !isPath(kind) {
		return nil, fmt.Errorf("%q is neither a constant nor an attribute's name", kind)
	}
	return &credentialLeaf{kind, credentials[kind], right}, nil
}

// isPath reports whether s is names joined by dots.
func isPath(s string) bool {
	for _, name := range strings.Split(s, ".") {
		for i, r := range name {
			if r != '_' && !unicode.IsLetter(r) && (i == 0 || r != '-' && !unicode.IsDigit(r)) {
				return false
			}
		}
		if name == "" {
			return false
		}
	}
	return true
}
