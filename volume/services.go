package volume

import (
	"context"
	"strings"
	"time"

	"nubo/internal/auth"
	"nubo/internal/fault"
)

// downAfter is how old a heartbeat may be.
const downAfter = time.Minute

// The processes of the component, by Cinder's names.
const (
	BinaryScheduler = "cinder-scheduler"
	BinaryVolume    = "cinder-volume"
)

// Service is a process of the component.
type Service struct {
	Binary   string // BinaryScheduler or BinaryVolume
	Host     string // of a manager: host@backend
	AZ       string
	Disabled bool
	Reason   string
	SeenAt   time.Time
	TotalGB  int
	FreeGB   int
}

// Up reports whether the service was heard of lately.
func (v *Service) Up(now time.Time) bool { return now.Sub(v.SeenAt) < downAfter }

// Pool is what a manager's service calls its only pool: host@backend#backend.
func (v *Service) Pool() string {
	_, backend, _ := strings.Cut(v.Host, "@")
	return v.Host + "#" + backend
}

// Zone is an availability zone.
type Zone struct {
	Name      string
	Available bool
}

// Zones lists the availability zones; one is available while a back end in it
// takes volumes.
func (s *Volumes) Zones(ctx context.Context) ([]Zone, error) {
	services, err := s.store.Services(ctx)
	if err != nil {
		return nil, err
	}
	zone := Zone{Name: s.cfg.AvailabilityZone}
	for i := range services {
		one := &services[i]
		if one.Binary == BinaryVolume && !one.Disabled && one.Up(s.clock.Now()) {
			zone.Available = true
		}
	}
	return []Zone{zone}, nil
}

// Services lists the processes.
func (s *Volumes) Services(ctx context.Context) ([]Service, error) { return s.store.Services(ctx) }

// Now is the service's time.
func (s *Volumes) Now() time.Time { return s.clock.Now() }

// SwitchService lets a back end get new volumes, or not.
func (s *Volumes) SwitchService(ctx context.Context, binary, host string, disabled bool, reason string) error {
	return s.store.InTx(ctx, func(ctx context.Context) error { return s.store.SwitchService(ctx, binary, host, disabled, reason) })
}

// Beat records a sign of life.
func (s *Volumes) Beat(ctx context.Context, v Service) error {
	v.AZ, v.SeenAt = s.cfg.AvailabilityZone, s.clock.Now()
	return s.store.InTx(ctx, func(ctx context.Context) error { return s.store.SaveService(ctx, &v) })
}

// Schedule gives a new volume a host, the back end with the most room, and has
// it made there. The cast is sent at once, not through the outbox, which is
// relayed where the API runs: one that is lost to a kill is made up for by the
// manager, which looks for volumes that wait.
func (s *Volumes) Schedule(ctx context.Context, volumeID string) error {
	ctx = auth.Admin(ctx)
	host := ""
	err := s.store.InTx(ctx, func(ctx context.Context) (err error) {
		host, err = s.place(ctx, volumeID)
		return err
	})
	if err != nil || host == "" {
		return err
	}
	return s.bus.Client(ManagerTarget(host)).Cast(ctx, MethodCreate, VolumeArgs{VolumeID: volumeID})
}

// place chooses a new volume's back end and gives its name; "" if there is
// nothing to be made.
func (s *Volumes) place(ctx context.Context, volumeID string) (string, error) {
	v, err := s.store.Volume(ctx, volumeID)
	if fault.Is(err, fault.NotFound) {
		return "", nil // deleted before it was made
	}
	if err != nil || v.Status != StatusCreating {
		return "", err
	}
	if v.Host != "" { // the cast of the try before may not have been sent
		return backendOf(v.Host), nil
	}
	services, err := s.store.Services(ctx)
	if err != nil {
		return "", err
	}
	best, why := s.choose(services, v)
	if best == nil {
		s.log.WarnContext(ctx, "no valid back end", "volume", v.ID, "reason", why)
		v.Problem = "schedule allocate volume: No valid backend was found. " + why
		if err := s.setStatus(ctx, v, StatusError, StatusCreating); err != nil {
			return "", err
		}
		return "", s.notify(ctx, EventCreateError, v)
	}
	v.Host = best.Pool()
	return best.Host, s.setStatus(ctx, v, StatusCreating, StatusCreating)
}

// choose picks a back end, or says why each was refused.
func (s *Volumes) choose(services []Service, v *Volume) (*Service, string) {
	var best *Service
	why := "There is no cinder-volume service."
	for i := range services {
		one := &services[i]
		switch {
		case one.Binary != BinaryVolume:
			continue
		case one.Disabled:
			why = one.Host + " is disabled: " + one.Reason + "."
		case !one.Up(s.clock.Now()):
			why = one.Host + " has not been heard of since " + one.SeenAt.Format(time.RFC3339) + "."
		case one.FreeGB < v.SizeGB:
			why = one.Host + " has not enough room."
		case best == nil || one.FreeGB > best.FreeGB:
			best = one
		}
	}
	return best, why
}
