package dashboard

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"nubo/internal/rpc"
)

// event is what a page is told: something of a topic has changed.
type event struct {
	// Topic is the kind of thing: server, port, volume …
	Topic string `json:"topic"`
	// Type is the notification's own: compute.instance.create.end.
	Type      string    `json:"type"`
	ID        string    `json:"id"`
	Name      string    `json:"name,omitempty"`
	ProjectID string    `json:"project_id,omitempty"`
	Status    string    `json:"status,omitempty"`
	Task      string    `json:"task_state,omitempty"`
	ServerID  string    `json:"server_id,omitempty"`
	RequestID string    `json:"request_id,omitempty"`
	Gone      bool      `json:"gone,omitempty"`
	Time      time.Time `json:"time"`

	seq uint64
	// everybody and members are who sees the thing beside its project.
	everybody bool
	members   []string
	// everybodyNoMore and noMore are who saw the thing until now.
	everybodyNoMore bool
	noMore          []string
}

// seenBy reports whether a project may know of the event.
func (e event) seenBy(project string) bool {
	return e.everybody || project != "" && (e.ProjectID == project || slices.Contains(e.members, project))
}

// to gives what a project is told of the event, if anything: who does not see
// the thing any more is told that it is gone, and nothing else.
func (e event) to(project string) (event, bool) {
	switch {
	case e.seenBy(project):
		return e, true
	case e.everybodyNoMore || slices.Contains(e.noMore, project):
		return event{Topic: e.Topic, Type: e.Type, ID: e.ID, Gone: true, Time: e.Time, seq: e.seq}, true
	}
	return event{}, false
}

// topics are the kinds of things by the beginning of a notification's type.
var topics = []struct{ prefix, topic string }{
	{"compute.instance.", "server"}, {"volume.", "volume"}, {"image.", "image"}, {"port.", "port"}, {"network.", "network"},
	{"subnet.", "subnet"}, {"router", "router"}, {"floatingip.", "floatingip"}, {"security_group_rule.", "securitygroup"},
	{"security_group.", "securitygroup"}, {"identity.", "identity"}, {"aggregate.", "aggregate"}, {"keypair.", "keypair"},
}

// exchanges are those the components publish their notifications to; volume's
// is the one Cinder has.
var exchanges = []string{"nova", "neutron", "openstack", "glance", "keystone"}

// kept is how many events a stream that comes back may have missed.
const kept = 2048

// hub hands the cloud's events to the streams.
type hub struct {
	mu      sync.Mutex
	last    uint64               // guarded by mu
	ring    []event              // guarded by mu: the newest, oldest first
	streams map[*stream]struct{} // guarded by mu
}

// stream is one browser tab's.
type stream struct {
	// sees gives what the tab is told of an event, if anything.
	sees func(event) (event, bool)
	// wake says that there is something after the last it has sent. What
	// there is it reads from the ring: a slow tab holds up nobody.
	wake chan struct{}
	// ticking is the topic of the ticks it gets; none if empty.
	ticking string
	tick    chan struct{}
}

func newHub() *hub { return &hub{streams: map[*stream]struct{}{}} }

// add gives an event to all streams.
func (h *hub) add(e event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last++
	e.seq = h.last
	if len(h.ring) == kept {
		h.ring = slices.Delete(h.ring, 0, kept/4)
	}
	h.ring = append(h.ring, e)
	for s := range h.streams {
		select {
		case s.wake <- struct{}{}:
		default:
		}
	}
}

// tick tells the streams that a topic's figures have changed. Ticks are not
// kept: who comes back asks anew.
func (h *hub) tick(topic string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.streams {
		if s.ticking == topic {
			select {
			case s.tick <- struct{}{}:
			default:
			}
		}
	}
}

// watched reports whether a stream gets a topic's ticks.
func (h *hub) watched(topic string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.streams {
		if s.ticking == topic {
			return true
		}
	}
	return false
}

// after gives what a stream wants of what came after seq. missed says that
// some of it is kept no more.
func (h *hub) after(seq uint64, s *stream) (events []event, last uint64, missed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if seq > h.last || len(h.ring) > 0 && seq+1 < h.ring[0].seq {
		missed = true
	}
	from, _ := slices.BinarySearchFunc(h.ring, seq+1, func(e event, seq uint64) int { return cmp.Compare(e.seq, seq) })
	for _, e := range h.ring[from:] {
		if e, ok := s.sees(e); ok {
			events = append(events, e)
		}
	}
	return events, h.last, missed
}

func (h *hub) open(s *stream) (last uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.streams[s] = struct{}{}
	return h.last
}

func (h *hub) close(s *stream) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.streams, s)
}

// Listen takes the components' notifications until ctx ends. Each process
// that serves the dashboard listens on a queue of its own.
func (s *Service) Listen(ctx context.Context, bus *rpc.Bus, pool string, ready func()) error {
	var targets []rpc.ListenTarget
	for _, exchange := range exchanges {
		targets = append(targets, rpc.ListenTarget{Exchange: exchange, Pool: pool})
	}
	return bus.Listen(ctx, targets, func(_ context.Context, n rpc.Notification) error {
		if e, ok := eventOf(n); ok {
			s.hub.add(e)
		}
		return nil
	}, ready)
}

// eventOf reads a notification; components name the same things differently.
func eventOf(n rpc.Notification) (event, bool) {
	e := event{Type: n.EventType, Time: n.Timestamp}
	for _, t := range topics {
		if strings.HasPrefix(n.EventType, t.prefix) {
			e.Topic = t.topic
			break
		}
	}
	if e.Topic == "" {
		return e, false
	}
	var p notice
	raw, _ := n.Payload.(json.RawMessage)
	if json.Unmarshal(raw, &p) != nil {
		return e, false
	}
	original := p.Original
	for _, inner := range []*notice{p.Port, p.Network, p.Subnet, p.Router, p.RouterInterface, p.FloatingIP, p.SecurityGroup, p.Rule} {
		if inner != nil {
			p = *inner
			break
		}
	}
	e.ID = firstOf(p.InstanceID, p.VolumeID, p.SecurityGroupID, p.ID, p.ResourceInfo, p.PortID, p.NetworkID, p.SubnetID, p.RouterID, p.FloatingIPID)
	e.Name, e.ProjectID = firstOf(p.DisplayName, p.Name), firstOf(p.ProjectID, p.TenantID, p.Owner)
	e.Status, e.Task = firstOf(p.State, p.Status), p.StateDescription
	if e.Topic == "port" || e.Topic == "volume" {
		e.ServerID = p.DeviceID
	}
	e.Gone = strings.HasSuffix(n.EventType, ".delete.end") || strings.HasSuffix(n.EventType, ".deleted") || n.EventType == "image.delete"
	switch e.Topic {
	case "image":
		e.imageSeenBy(p)
	case "network", "subnet":
		e.everybody = p.toAll()
		e.everybodyNoMore = original != nil && original.toAll() && !e.everybody
	}
	return e, true
}

// toAll reports whether all projects see a network, or a subnet for its
// network's sake.
func (p notice) toAll() bool { return p.Shared || p.External }

// imageSeenBy says who sees an image, and who did until now.
func (e *event) imageSeenBy(p notice) {
	toAll := func(visibility string) bool { return visibility == "public" || visibility == "community" }
	switch {
	case p.MemberID != "": // tells of who sees an image, not of the image
		e.ID, e.ProjectID, e.Status = p.ImageID, p.MemberID, ""
		if strings.HasSuffix(e.Type, ".delete") {
			e.ProjectID, e.noMore = "", []string{p.MemberID}
		}
		return
	case toAll(p.Visibility):
		e.everybody = true
	case p.Visibility == "shared":
		e.members = p.Members
	default: // those it was shared with, if it was
		e.noMore = p.Members
	}
	e.everybodyNoMore = toAll(p.WasVisibility) && !e.everybody
}

// notice is what is read of all payloads.
type notice struct {
	ID, Name, Status, Owner string
	InstanceID              string   `json:"instance_id"`
	VolumeID                string   `json:"volume_id"`
	PortID                  string   `json:"port_id"`
	NetworkID               string   `json:"network_id"`
	SubnetID                string   `json:"subnet_id"`
	RouterID                string   `json:"router_id"`
	FloatingIPID            string   `json:"floatingip_id"`
	SecurityGroupID         string   `json:"security_group_id"`
	ResourceInfo            string   `json:"resource_info"`
	DisplayName             string   `json:"display_name"`
	TenantID                string   `json:"tenant_id"`
	ProjectID               string   `json:"project_id"`
	State                   string   `json:"state"`
	StateDescription        string   `json:"state_description"`
	DeviceID                string   `json:"device_id"`
	Visibility              string   `json:"visibility"`
	ImageID                 string   `json:"image_id"`
	MemberID                string   `json:"member_id"`
	Members                 []string `json:"members"`
	WasVisibility           string   `json:"was_visibility"`
	Shared                  bool     `json:"shared"`
	External                bool     `json:"router:external"`

	// Original is what a network was, if it was seen by others than now.
	Original        *notice `json:"original"`
	Port            *notice `json:"port"`
	Network         *notice `json:"network"`
	Subnet          *notice `json:"subnet"`
	Router          *notice `json:"router"`
	RouterInterface *notice `json:"router_interface"`
	FloatingIP      *notice `json:"floatingip"`
	SecurityGroup   *notice `json:"security_group"`
	Rule            *notice `json:"security_group_rule"`
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// heartbeat keeps the stream open through proxies, and ends it when the
// session has.
const heartbeat = 15 * time.Second

// events is a stream of server-sent events, ?topics=server,port; without
// topics all. With ?ticks=broker it also says when the broker's figures have
// changed. A browser that comes back says what it saw last and gets the
// rest; if that is kept no more it gets the event "reset" and reads its lists
// again.
func (s *Service) events(w http.ResponseWriter, r *http.Request) error {
	v := current(r)
	c, err := s.caller(r.Context(), v)
	if err != nil {
		return err
	}
	wanted := strings.FieldsFunc(r.URL.Query().Get("topics"), func(c rune) bool { return c == ',' })
	everything := c.System || c.HasRole("admin")
	st := &stream{wake: make(chan struct{}, 1), sees: func(e event) (event, bool) {
		switch {
		case len(wanted) > 0 && !slices.Contains(wanted, e.Topic):
			return e, false
		case everything:
			return e, true
		}
		return e.to(c.ProjectID)
	}}
	if st.ticking = r.URL.Query().Get("ticks"); st.ticking != "" {
		if st.ticking != brokerTopic {
			return refuse(http.StatusBadRequest, "There is no such topic of ticks.")
		}
		if err := s.mayUse(r.Context(), v, s.services[messaging]); err != nil {
			return err
		}
		st.tick = make(chan struct{}, 1)
	}
	last := s.hub.open(st)
	defer s.hub.close(st)
	if id := cmp.Or(r.Header.Get("Last-Event-ID"), r.URL.Query().Get("last")); id != "" {
		if last, err = strconv.ParseUint(id, 10, 64); err != nil {
			return refuse(http.StatusBadRequest, "Last-Event-ID is a number.")
		}
	}
	rc := http.NewResponseController(w)
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no")
	_, _ = fmt.Fprint(w, "retry: 1000\n\n")
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		events, seen, missed := s.hub.after(last, st)
		if missed {
			_, _ = fmt.Fprintf(w, "event: reset\nid: %d\ndata: {}\n\n", seen)
			events = nil
		}
		for _, e := range events {
			if err := writeEvent(w, e); err != nil {
				return nil //nolint:nilerr // the browser has gone
			}
		}
		last = seen
		if rc.Flush() != nil {
			return nil
		}
		select {
		case <-r.Context().Done():
			return nil
		case <-s.done:
			return nil
		case <-st.wake:
		case <-st.tick:
			_, _ = fmt.Fprintf(w, "event: tick\ndata: {\"topic\":%q}\n\n", st.ticking)
		case <-beat.C:
			if _, err := s.caller(r.Context(), v); errors.Is(err, errNoSession) {
				return nil // the page asks who it is when the stream ends
			}
			_, _ = fmt.Fprint(w, ": still here\n\n")
		}
	}
}

func writeEvent(w http.ResponseWriter, e event) error {
	data, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encode event: %w", err)
	}
	_, err = fmt.Fprintf(w, "id: %d\ndata: %s\n\n", e.seq, data)
	return err
}
