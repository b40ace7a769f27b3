package api_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"nubo/internal/clock"
	"nubo/internal/testx"
)

const (
	clients     = 64
	clientSteps = 6
)

// contest is what many clients did to the same few things, as they were told.
type contest struct {
	*client
	url       string
	http      *http.Client
	hosts     []string
	consumers []string // all clients write these

	mu     sync.Mutex // guards what follows
	writes map[string]int
	rivals map[string]int // providers created less deleted, by name
	uuids  map[string]string
	traits map[string]bool
	counts map[string]int // of answers
}

// TestManyClients has 64 clients claim for the same consumers, change the
// inventories and traits of the same providers, and create and delete others,
// over HTTP. No generation is written twice, nothing is given away twice, and
// no answer is a 5xx.
func TestManyClients(t *testing.T) {
	each(t, func(t *testing.T, c *client) {
		server := httptest.NewServer(c.h)
		defer server.Close()
		m := &contest{
			client: c, url: server.URL, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}},
			writes: map[string]int{}, rivals: map[string]int{}, uuids: map[string]string{}, traits: map[string]bool{}, counts: map[string]int{},
		}
		defer m.http.CloseIdleConnections()
		for i := range 3 {
			m.hosts = append(m.hosts, c.provider(fmt.Sprint("host", i), "", "VCPU:24,MEMORY_MB:4096"))
		}
		for range 6 {
			m.consumers = append(m.consumers, clock.NewID())
		}
		var wg sync.WaitGroup
		for n := range clients {
			own := clock.NewID()
			wg.Go(func() {
				for i := range clientSteps {
					m.step(own, fmt.Sprintf("CUSTOM_%d_%d", n, i))
				}
			})
		}
		wg.Wait()
		t.Logf("answers: %v", m.counts)
		m.check()
	})
}

// ask sends a request and counts its answer.
func (m *contest) ask(method, path string, body any) (int, map[string]any) {
	b, err := json.Marshal(body)
	if err != nil {
		m.t.Error(err)
	}
	if body == nil {
		b = nil
	}
	req, err := http.NewRequest(method, m.url+path, strings.NewReader(string(b)))
	if err != nil {
		m.t.Error(err)
		return 0, nil
	}
	req.Header.Set("X-Auth-Token", "admin")
	req.Header.Set("OpenStack-API-Version", "placement 1.39")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := m.http.Do(req)
	if err != nil {
		m.t.Errorf("%s %s: %v", method, path, err)
		return 0, nil
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 500 || resp.StatusCode == http.StatusBadRequest {
		m.t.Errorf("%s %s %s: %d %s %v", method, path, b, resp.StatusCode, text, err)
	}
	var out map[string]any
	json.Unmarshal(text, &out) //nolint:errcheck // an answer without JSON stays empty
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts[fmt.Sprint(method, " ", resp.StatusCode)]++
	return resp.StatusCode, out
}

type body = map[string]any

// step is one thing a client does.
func (m *contest) step(own, trait string) {
	host := m.hosts[rand.IntN(len(m.hosts))]
	switch rand.IntN(7) {
	case 0, 1:
		m.claim(m.consumers[rand.IntN(len(m.consumers))], host)
	case 2:
		m.claim(own, host)
	case 3:
		if rand.IntN(2) == 0 {
			m.ask("DELETE", "/allocations/"+own, nil)
			return
		}
		m.ask("POST", "/allocations", body{own: m.allocation(host, m.generation(own)), clock.NewID(): m.allocation(host, nil)})
	case 4:
		_, now := m.ask("GET", "/resource_providers/"+host+"/inventories", nil)
		m.ask("PUT", "/resource_providers/"+host+"/inventories/VCPU", body{
			"resource_provider_generation": now["resource_provider_generation"], "total": 24 + rand.IntN(3), "allocation_ratio": 1.5,
		})
	case 5:
		if status, _ := m.ask("PUT", "/traits/"+trait, nil); status != http.StatusCreated {
			m.t.Errorf("trait %s: %d", trait, status)
		}
		_, now := m.ask("GET", "/resource_providers/"+host+"/traits", nil)
		status, _ := m.ask("PUT", "/resource_providers/"+host+"/traits", body{
			"resource_provider_generation": now["resource_provider_generation"], "traits": append(now["traits"].([]any), trait),
		})
		if status == http.StatusOK {
			m.mu.Lock()
			m.traits[host+" "+trait] = true
			m.mu.Unlock()
		}
	default:
		m.rival(fmt.Sprint("rival", rand.IntN(2)))
	}
}

func (m *contest) generation(consumer string) any {
	_, now := m.ask("GET", "/allocations/"+consumer, nil)
	return now["consumer_generation"]
}

func (m *contest) allocation(host string, generation any) body {
	return body{
		"allocations": body{host: body{"resources": body{"VCPU": 1 + rand.IntN(3), "MEMORY_MB": 64}}},
		"project_id":  "p", "user_id": "u", "consumer_type": "INSTANCE", "consumer_generation": generation,
	}
}

// claim has a consumer claim what no other client may have changed meanwhile.
func (m *contest) claim(consumer, host string) {
	generation := m.generation(consumer)
	if status, _ := m.ask("PUT", "/allocations/"+consumer, m.allocation(host, generation)); status == http.StatusNoContent {
		m.mu.Lock()
		m.writes[fmt.Sprint(consumer, " from ", generation)]++
		m.mu.Unlock()
	}
}

// rival creates or deletes a provider.
func (m *contest) rival(name string) {
	m.mu.Lock()
	uuid := m.uuids[name]
	m.mu.Unlock()
	if uuid != "" && rand.IntN(2) == 0 {
		if status, _ := m.ask("DELETE", "/resource_providers/"+uuid, nil); status == http.StatusNoContent {
			m.mu.Lock()
			m.rivals[name]--
			m.mu.Unlock()
		}
		return
	}
	uuid = clock.NewID()
	if status, _ := m.ask("POST", "/resource_providers", body{"name": name, "uuid": uuid}); status == http.StatusOK {
		m.mu.Lock()
		m.rivals[name]++
		m.uuids[name] = uuid
		m.mu.Unlock()
	}
}

func (m *contest) check() {
	m.t.Helper()
	for what, n := range m.writes {
		// A client's own consumer starts anew when it has given everything
		// back; the others never do.
		if consumer, _, _ := strings.Cut(what, " "); n > 1 && m.shared(consumer) {
			m.t.Errorf("consumer %s was written %d times", what, n)
		}
	}
	for _, consumer := range m.consumers {
		n := 0
		for what := range m.writes {
			if strings.HasPrefix(what, consumer) {
				n++
			}
		}
		got, _ := m.want(200, "GET", "/allocations/"+consumer, "").JSON["consumer_generation"].(float64)
		if int(got) != n {
			m.t.Errorf("consumer %s was written %d times and is of generation %v", consumer, n, got)
		}
	}
	for name, n := range m.rivals {
		testx.Equal(m.t, len(m.want(200, "GET", "/resource_providers?name="+name, "").JSON["resource_providers"].([]any)), n)
	}
	for _, host := range m.hosts {
		m.checkHost(host)
	}
}

func (m *contest) shared(consumer string) bool {
	for _, c := range m.consumers {
		if c == consumer {
			return true
		}
	}
	return false
}

// checkHost compares what is used with what is allocated and with what there
// is.
func (m *contest) checkHost(host string) {
	m.t.Helper()
	path := "/resource_providers/" + host
	sums := map[string]float64{}
	for _, held := range m.want(200, "GET", path+"/allocations", "").JSON["allocations"].(map[string]any) {
		for class, n := range held.(map[string]any)["resources"].(map[string]any) {
			sums[class] += n.(float64)
		}
	}
	used := m.want(200, "GET", path+"/usages", "").JSON["usages"].(map[string]any)
	for class, v := range m.want(200, "GET", path+"/inventories", "").JSON["inventories"].(map[string]any) {
		i := v.(map[string]any)
		capacity := (i["total"].(float64) - i["reserved"].(float64)) * i["allocation_ratio"].(float64)
		// An inventory may have been lowered below what was given away, by
		// two VCPUs times the ratio at most.
		if used[class] != sums[class] || sums[class] > capacity+3 {
			m.t.Errorf("%s of %s: %v used, %v allocated, capacity %v", class, host, used[class], sums[class], capacity)
		}
	}
	traits := fmt.Sprint(m.want(200, "GET", path+"/traits", "").JSON["traits"])
	for key := range m.traits {
		if of, trait, _ := strings.Cut(key, " "); of == host && !strings.Contains(traits, trait) {
			m.t.Errorf("trait %s of %s is lost", trait, host)
		}
	}
}
