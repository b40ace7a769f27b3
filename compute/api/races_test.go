package api_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"nubo/internal/testx"
)

// together runs n requests at once and counts the answers by code.
func (f *fixture) together(n int, do func(i int) answer) map[int]int {
	codes := make([]atomic.Int64, 600)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { codes[do(i).Status].Add(1) })
	}
	wg.Wait()
	out := map[int]int{}
	for code := range codes {
		if k := codes[code].Load(); k > 0 {
			out[code] = int(k)
		}
	}
	return out
}

func TestQuotaHoldsAgainstManyAtOnce(t *testing.T) { t.Parallel(); each(t, testQuotaHolds) }

func testQuotaHolds(t *testing.T, f *fixture) {
	body := fmt.Sprintf(`{"server":{"name":"web","imageRef":"%s","flavorRef":"%s","networks":[{"uuid":"%s"}]}}`, imageID, f.flavor(), netID)
	codes := f.together(40, func(int) answer { return f.do("member", "", "POST", "/v2.1/servers", body) })
	testx.Equal(t, codes, map[int]int{202: 10, 403: 30})
	testx.Equal(t, len(f.want(200, "member", "", "GET", "/v2.1/servers", "").At("servers").([]any)), 10)
}

func TestOneOfManyStopsWins(t *testing.T) { t.Parallel(); each(t, testOneOfManyStopsWins) }

func testOneOfManyStopsWins(t *testing.T, f *fixture) {
	id := f.create("")
	f.launch(id)
	f.casts()
	codes := f.together(16, func(int) answer {
		return f.do("member", "", "POST", "/v2.1/servers/"+id+"/action", `{"os-stop":null}`)
	})
	testx.Equal(t, codes, map[int]int{202: 1, 409: 15})
	testx.Equal(t, f.casts(), []string{"compute.host1 stop_instance"})
	codes = f.together(16, func(int) answer { return f.do("member", "", "DELETE", "/v2.1/servers/"+id, "") })
	testx.Equal(t, codes, map[int]int{204: 16})
	testx.Equal(t, f.casts(), []string{"compute.host1 terminate_instance"})
}

func TestTagsOfManyAtOnce(t *testing.T) { t.Parallel(); each(t, testTagsOfMany) }

func testTagsOfMany(t *testing.T, f *fixture) {
	path := "/v2.1/servers/" + f.create("")
	codes := f.together(20, func(i int) answer { return f.do("member", "2.26", "PUT", fmt.Sprintf("%s/tags/t%d", path, i), "") })
	testx.Equal(t, codes, map[int]int{201: 20})
	testx.Equal(t, len(f.want(200, "member", "2.26", "GET", path+"/tags", "").At("tags").([]any)), 20)
}
