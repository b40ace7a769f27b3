package placement

import (
	"context"
	"errors"

	"nubo/internal/clock"
)

// Config is the section [placement].
type Config struct {
	MaxAllocationCandidates int `default:"10000" help:"How many allocation candidates one request gets at most; bounds what a request of many groups costs."`
}

// Deps are what the service is joined to.
type Deps struct {
	Store Store
	Clock clock.Clock
}

// Service is the component's logic. It is safe for concurrent use: its state
// is the store's.
type Service struct {
	cfg   Config
	store Store
	clock clock.Clock
	nodes nodes
}

// New makes the service.
func New(cfg Config, d Deps) (*Service, error) {
	if d.Store == nil {
		return nil, errors.New("placement: a store is needed")
	}
	if d.Clock == nil {
		d.Clock = clock.System
	}
	if cfg.MaxAllocationCandidates <= 0 {
		cfg.MaxAllocationCandidates = 10000
	}
	return &Service{cfg: cfg, store: d.Store, clock: d.Clock}, nil
}

// Store keeps the state. Its methods join the transaction of the context, if
// it is that of an InTx.
type Store interface {
	InTx(ctx context.Context, fn func(ctx context.Context) error) error

	ProviderStore
	InventoryStore
	AllocationStore
	CandidateStore
	LabelStore
}
