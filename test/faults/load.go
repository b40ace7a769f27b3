package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"nubo/sdk/image"
	"nubo/sdk/rest"
	"nubo/sdk/volume"
)

// Load is users at work on a cloud. Each has one server and some volumes at a
// time, and knows what was promised of them.
type Load struct {
	cloud *Cloud
	users []*user
	work  sync.WaitGroup

	// gate is held for reading by a user during a request and what he notes
	// of it, and for writing by who wants to see them all at rest.
	gate sync.RWMutex

	mu     sync.Mutex     // guards what follows
	counts map[string]int // of answers, by request and kind
	asked  int            // servers asked for whose volume is to outlive them

	// kept are servers that were seen to run and whose volume is to outlive
	// them. Only the checks use it.
	kept map[string]bool
}

// What may have been promised of a thing; "" is nothing: the last request got
// no answer.
const (
	unknown   = ""
	gone      = "gone"
	active    = "ACTIVE"
	shutoff   = "SHUTOFF"
	available = "available"
	inUse     = "in-use"
)

// thing is a server, a volume or an image with what was promised of it.
type thing struct {
	id, want string
	server   string // of a volume: whose it is if it is in use
}

// user is one client.
type user struct {
	*Load
	n      int
	made   int
	server *thing
	volume *thing
	images []*thing
	// What he has asked the end of.
	pastServers, pastVolumes []*thing
}

// Start sets users to work until ctx ends.
func Start(ctx context.Context, c *Cloud, users int) *Load {
	l := &Load{cloud: c, counts: map[string]int{}, kept: map[string]bool{}}
	for n := range users {
		u := &user{Load: l, n: n}
		l.users = append(l.users, u)
		l.work.Go(func() {
			for ctx.Err() == nil {
				l.gate.RLock()
				ok := u.step(ctx)
				l.gate.RUnlock()
				wait := rand.N(20 * time.Millisecond)
				if !ok { // the cloud is not there
					wait = 20 * time.Millisecond
				}
				select {
				case <-ctx.Done():
				case <-time.After(wait):
				}
			}
		})
	}
	return l
}

// Pause returns when all users are at rest; until Resume they stay so.
func (l *Load) Pause() { l.gate.Lock() }

// Resume lets the users go on.
func (l *Load) Resume() { l.gate.Unlock() }

// Wait returns when the users have gone.
func (l *Load) Wait() { l.work.Wait() }

// Counts tells how many requests of each kind were accepted, refused and got
// no answer.
func (l *Load) Counts() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := map[string]int{}
	for k, n := range l.counts {
		out[k] = n
	}
	return out
}

// answer sorts what a request got: accepted, or refused without an effect;
// anything else may have had its effect or not.
func (l *Load) answer(what string, err error) (accepted, refused bool) {
	var e *rest.Error
	switch {
	case err == nil:
		accepted = true
	case errors.As(err, &e) && e.Status < 500:
		refused = true
	}
	kind := what + " accepted"
	switch {
	case refused:
		kind = fmt.Sprintf("%s %d", what, e.Status)
	case e != nil:
		kind = fmt.Sprintf("%s %d (%s)", what, e.Status, e.Message)
	case !accepted:
		kind = what + " unanswered"
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counts[kind]++
	return accepted, refused
}

// step makes one request and reports whether it was answered.
func (u *user) step(ctx context.Context) bool {
	switch p := rand.IntN(100); {
	case u.volume == nil:
		return u.makeVolume(ctx)
	case p < 5:
		return u.upload(ctx)
	case u.server == nil:
		return u.create(ctx)
	case p < 15:
		return u.power(ctx, "os-stop", nil, shutoff)
	case p < 30:
		return u.power(ctx, "os-start", nil, active)
	case p < 35:
		return u.power(ctx, "reboot", object{"type": "SOFT"}, active)
	case p < 40:
		return u.power(ctx, "reboot", object{"type": "HARD"}, active)
	case p < 55:
		return u.attach(ctx)
	case p < 70:
		return u.detach(ctx)
	case p < 73:
		return u.deleteVolume(ctx)
	case p < 83:
		return u.delete(ctx)
	}
	var out any
	accepted, refused := u.answer("show", u.cloud.compute.Get(ctx, "/servers/"+u.server.id, &out))
	return accepted || refused
}

// The sizes in GiB tell volumes apart: a user's own, those that end with
// their server, and those that outlive it.
const (
	sizeOwn = iota + 1
	sizeEnding
	sizeKept
)

// create asks for a server of some kind. Its metadata say what it is to have.
func (u *user) create(ctx context.Context) bool {
	u.made++
	nics := 1 + rand.IntN(2)
	var networks []object
	for _, id := range u.cloud.networks[:nics] {
		networks = append(networks, object{"uuid": id})
	}
	s := object{"name": fmt.Sprintf("u%d-%d", u.n, u.made), "flavorRef": u.cloud.flavor, "networks": networks}
	fromVolume := func(size int) []object {
		return []object{{
			"boot_index": 0, "source_type": "image", "destination_type": "volume", "uuid": u.cloud.imageID, "volume_size": size,
			"delete_on_termination": size == sizeEnding,
		}}
	}
	volumes, withOwn := 0, false
	switch rand.IntN(4) {
	case 0:
		s["imageRef"] = u.cloud.imageID
	case 1:
		s["block_device_mapping_v2"] = fromVolume(sizeEnding)
		volumes = 1
	case 2:
		s["block_device_mapping_v2"] = fromVolume(sizeKept)
		volumes = 1
		u.mu.Lock()
		u.asked++
		u.mu.Unlock()
	case 3:
		s["imageRef"] = u.cloud.imageID
		s["block_device_mapping_v2"] = []object{
			{"boot_index": 0, "source_type": "image", "destination_type": "local", "uuid": u.cloud.imageID, "delete_on_termination": true},
			{"boot_index": -1, "source_type": "volume", "destination_type": "volume", "uuid": u.volume.id},
		}
		withOwn = true
	}
	s["metadata"] = object{"ports": fmt.Sprint(nics), "volumes": fmt.Sprint(volumes)}
	var out struct{ Server struct{ ID string } }
	accepted, refused := u.answer("create", u.cloud.compute.Post(ctx, "/servers", object{"server": s}, &out))
	if accepted {
		u.server = &thing{id: out.Server.ID, want: active}
	}
	if withOwn && !refused {
		u.volume.want, u.volume.server = unknown, ""
		if accepted {
			u.volume.want, u.volume.server = inUse, out.Server.ID
		}
	}
	return accepted || refused
}

func (u *user) power(ctx context.Context, action string, args any, want string) bool {
	err := u.cloud.compute.Post(ctx, "/servers/"+u.server.id+"/action", object{action: args}, nil)
	accepted, refused := u.answer(action, err)
	switch {
	case accepted:
		u.server.want = want
	case !refused:
		u.server.want = unknown
	}
	return accepted || refused
}

// delete asks for the server's end. A user who gets no answer looks after
// another server from then on.
func (u *user) delete(ctx context.Context) bool {
	accepted, refused := u.answer("delete", u.cloud.compute.DeleteServer(ctx, u.server.id))
	if refused {
		return true
	}
	own := u.volume.server == u.server.id
	switch {
	case accepted:
		u.server.want = gone
		if own && u.volume.want != unknown {
			u.volume.want = available
		}
	default:
		u.server.want = unknown
		if own {
			u.volume.want = unknown
		}
	}
	u.pastServers = append(u.pastServers, u.server)
	u.server = nil
	return accepted
}

func (u *user) makeVolume(ctx context.Context) bool {
	v, err := u.cloud.volume.CreateVolume(ctx, volume.Create{Name: fmt.Sprintf("u%d", u.n), Size: sizeOwn})
	accepted, refused := u.answer("create volume", err)
	if accepted {
		u.volume = &thing{id: v.ID, want: available}
	}
	return accepted || refused
}

func (u *user) deleteVolume(ctx context.Context) bool {
	accepted, refused := u.answer("delete volume", u.cloud.volume.DeleteVolume(ctx, u.volume.id))
	if refused {
		return true
	}
	u.volume.want = unknown
	if accepted {
		u.volume.want = gone
	}
	u.pastVolumes = append(u.pastVolumes, u.volume)
	u.volume = nil
	return accepted
}

func (u *user) attach(ctx context.Context) bool {
	in := object{"volumeAttachment": object{"volumeId": u.volume.id}}
	accepted, refused := u.answer("attach", u.cloud.compute.Post(ctx, "/servers/"+u.server.id+"/os-volume_attachments", in, nil))
	switch {
	case accepted:
		u.volume.want, u.volume.server = inUse, u.server.id
	case !refused:
		u.volume.want, u.volume.server = unknown, u.server.id
	}
	return accepted || refused
}

func (u *user) detach(ctx context.Context) bool {
	accepted, refused := u.answer("detach", u.cloud.compute.Delete(ctx, "/servers/"+u.server.id+"/os-volume_attachments/"+u.volume.id))
	switch {
	case accepted:
		u.volume.want, u.volume.server = available, ""
	case !refused:
		u.volume.want = unknown
	}
	return accepted || refused
}

// upload makes an image, or deletes the oldest of some.
func (u *user) upload(ctx context.Context) bool {
	if len(u.images) > 2 {
		accepted, refused := u.answer("delete image", u.cloud.image.Remove(ctx, u.images[0].id))
		u.images[0].want = unknown
		if accepted || refused { // refused is one that was gone before
			u.images = u.images[1:]
		}
		return accepted || refused
	}
	i, err := u.cloud.image.Create(ctx, image.Create{Name: fmt.Sprintf("u%d", u.n), DiskFormat: "raw", ContainerFormat: "bare"})
	if accepted, refused := u.answer("create image", err); !accepted {
		return refused
	}
	t := &thing{id: i.ID}
	u.images = append(u.images, t)
	accepted, refused := u.answer("upload", u.cloud.image.Upload(ctx, i.ID, bytes.NewReader(make([]byte, 64<<10))))
	if accepted {
		t.want = "active"
	}
	return accepted || refused
}
