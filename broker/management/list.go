package management

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"nubo/broker"
)

const (
	defaultPage = 100
	maxPage     = 500
)

// view is which part of a list is asked for, and how it is to look.
type view struct {
	page, size int            // page is 0 if all is asked for
	name       string         // only names that contain it
	pattern    *regexp.Regexp // only names that match it; nil is any
	sort       []string       // the path of the field to sort by; nil is as it is
	reverse    bool
	columns    [][]string // the paths of the fields to show; nil is all
}

var errPagination = badRequest("Pagination parameters are invalid")

// parseView reads the parameters of a list.
func parseView(q url.Values) (view, error) {
	var v view
	if s := q.Get("sort"); s != "" {
		v.sort = strings.Split(s, ".")
	}
	v.reverse = q.Get("sort_reverse") == "true"
	if s := q.Get("columns"); s != "" {
		for path := range strings.SplitSeq(s, ",") {
			v.columns = append(v.columns, strings.Split(path, "."))
		}
	}
	if !q.Has("page") {
		return v, nil
	}
	var err error
	if v.page, err = strconv.Atoi(q.Get("page")); err != nil {
		return v, errPagination
	}
	size := "undefined"
	if v.size = defaultPage; q.Has("page_size") {
		size = q.Get("page_size")
		if v.size, err = strconv.Atoi(size); err != nil {
			return v, errPagination
		}
	}
	if v.page < 1 || v.size < 1 || v.size > maxPage {
		return v, &failure{
			http.StatusBadRequest, "invalid_pagination_parameters",
			fmt.Sprintf("Invalid pagination parameters: page number %d, page size %s", v.page, size),
		}
	}
	if v.name = q.Get("name"); q.Get("use_regex") == "true" && v.name != "" {
		if v.pattern, err = regexp.Compile("(?i)" + v.name); err != nil {
			return v, errPagination
		}
	}
	return v, nil
}

// takes tells whether the list is to show something of the name.
func (v *view) takes(name string) bool {
	if v.pattern != nil {
		return v.pattern.MatchString(name)
	}
	return strings.Contains(strings.ToLower(name), strings.ToLower(v.name))
}

// pageOf answers with the page of a list that is asked for: n things, of which
// f gives the names and build all that is shown. Only what is shown, or sorted
// by, is built.
func (c *call) pageOf(n int, name func(int) string, build func(int) object) error {
	v, err := parseView(c.URL.Query())
	if err != nil {
		return err
	}
	items := make([]item, 0, n)
	for i := range n {
		if v.page == 0 || v.takes(name(i)) {
			items = append(items, item{i: i})
		}
	}
	filtered := len(items)
	if v.sort != nil {
		for i := range items {
			items[i].o = build(items[i].i)
			items[i].key = dig(items[i].o, v.sort)
		}
		slices.SortStableFunc(items, func(a, b item) int { return compare(a.key, b.key) })
	}
	if v.reverse {
		slices.Reverse(items)
	}
	if v.page > 0 {
		pages := (filtered + v.size - 1) / v.size
		if v.page > max(pages, 1) {
			return &failure{
				http.StatusBadRequest, "page_out_of_range",
				fmt.Sprintf("Page out of range, page: %d page size: %d, len: %d", v.page, v.size, filtered),
			}
		}
		items = items[(v.page-1)*v.size : min(v.page*v.size, filtered)]
	}
	list := make([]object, 0, len(items))
	for _, it := range items {
		if it.o == nil {
			it.o = build(it.i)
		}
		list = append(list, v.cut(it.o))
	}
	if v.page == 0 {
		return c.ok(list)
	}
	return c.ok(object{
		"total_count": n, "filtered_count": filtered, "item_count": len(list), "items": list,
		"page": v.page, "page_count": (filtered + v.size - 1) / v.size, "page_size": v.size,
	})
}

// item is one thing of a list, as far as it is built.
type item struct {
	i   int
	o   object
	key any
}

// list answers with a list that has no pages.
func (c *call) list(items []object) error {
	q := c.URL.Query()
	q.Del("page")
	c.URL.RawQuery = q.Encode()
	return c.pages(items)
}

// pages answers with a list of things that have names.
func (c *call) pages(items []object) error {
	return c.pageOf(len(items), func(i int) string { s, _ := items[i]["name"].(string); return s }, func(i int) object { return items[i] })
}

// one answers with one thing, of which columns may be asked for.
func (c *call) one(o object) error {
	v, err := parseView(url.Values{"columns": c.URL.Query()["columns"]})
	if err != nil {
		return err
	}
	return c.ok(v.cut(o))
}

// cut leaves the columns that are asked for.
func (v *view) cut(o object) object {
	if v.columns == nil {
		return o
	}
	out := object{}
	for _, path := range v.columns {
		if value := dig(o, path); value != nil {
			put(out, path, value)
		}
	}
	return out
}

// dig follows a path of names into an object. A name may hold dots itself.
func dig(o object, path []string) any {
	if len(path) == 0 {
		return nil
	}
	if v, ok := o[strings.Join(path, ".")]; ok {
		return v
	}
	for i := 1; i < len(path); i++ {
		switch inner := o[strings.Join(path[:i], ".")].(type) {
		case object:
			return dig(inner, path[i:])
		case broker.Args:
			return dig(object(inner), path[i:])
		}
	}
	return nil
}

// put sets what a path leads to.
func put(o object, path []string, value any) {
	for _, name := range path[:len(path)-1] {
		inner, ok := o[name].(object)
		if !ok {
			inner = object{}
			o[name] = inner
		}
		o = inner
	}
	o[path[len(path)-1]] = value
}

// compare orders values of JSON: what is absent, numbers, truth, words, the rest.
func compare(a, b any) int {
	x, y := rank(a), rank(b)
	if x != y {
		return cmp.Compare(x, y)
	}
	switch x {
	case rankNumber:
		return cmp.Compare(number(a), number(b))
	case rankBool, rankString, rankOther:
		return cmp.Compare(fmt.Sprint(a), fmt.Sprint(b))
	}
	return 0
}

const (
	rankNone = iota
	rankNumber
	rankBool
	rankString
	rankOther
)

func rank(v any) int {
	switch v.(type) {
	case nil:
		return rankNone
	case int, int64, uint64, uint16, uint32, float64:
		return rankNumber
	case bool:
		return rankBool
	case string:
		return rankString
	}
	return rankOther
}

func number(v any) float64 {
	switch v := v.(type) {
	case int:
		return float64(v)
	case int64:
		return float64(v)
	case uint64:
		return float64(v)
	case uint16:
		return float64(v)
	case uint32:
		return float64(v)
	case float64:
		return v
	}
	return 0
}
