package quota

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"nubo/internal/fault"
)

// Unlimited is the limit that is none.
const Unlimited = -1

// DefaultClass is the quota class whose limits are those of every project
// that has none of its own.
const DefaultClass = "default"

// Store keeps the limits that differ from the defaults: those of projects, or
// those of quota classes.
type Store interface {
	// Limits gives the own limits of a project or class by resource.
	Limits(ctx context.Context, of string) (map[string]int64, error)
	// SetLimits sets some of the limits and leaves the others.
	SetLimits(ctx context.Context, of string, limits map[string]int64) error
	// DeleteLimits puts a project or class back to the defaults.
	DeleteLimits(ctx context.Context, of string) error
}

// Engine decides whether a project may have more.
type Engine struct {
	// Defaults are the configuration's, and have every resource there is.
	Defaults map[string]int64
	// Store has the limits of projects.
	Store Store
	// Classes has the limits of quota classes; nil if the configuration alone
	// says what the defaults are.
	Classes Store
	// Usage counts what the project has of a resource, in the transaction of
	// ctx.
	Usage func(ctx context.Context, project, resource string) (int64, error)
}

// Exceeded says that a request would pass one limit.
type Exceeded struct {
	Resource               string
	Limit, Used, Requested int64
}

// Error describes it for logs.
func (e *Exceeded) Error() string {
	return fmt.Sprintf("%s: requested %d, used %d of %d", e.Resource, e.Requested, e.Used, e.Limit)
}

// Error is every limit that a request would pass, by resource. errors.As
// finds it, or its first *Exceeded, in what Check returns.
type Error struct{ Exceeded []*Exceeded }

// Error describes them for logs.
func (e *Error) Error() string {
	var parts []string
	for _, x := range e.Exceeded {
		parts = append(parts, x.Error())
	}
	return strings.Join(parts, "; ")
}

// Unwrap gives the single excesses.
func (e *Error) Unwrap() []error {
	var errs []error
	for _, x := range e.Exceeded {
		errs = append(errs, x)
	}
	return errs
}

// Class gives all limits of a quota class: its own, and else the
// configuration's. Those of DefaultClass are the defaults of every project.
func (e *Engine) Class(ctx context.Context, class string) (map[string]int64, error) {
	limits := maps.Clone(e.Defaults)
	if e.Classes == nil {
		return limits, nil
	}
	own, err := e.Classes.Limits(ctx, class)
	if err != nil {
		return nil, fmt.Errorf("read limits of quota class %s: %w", class, err)
	}
	overlay(limits, own)
	return limits, nil
}

// Limits gives all of a project's limits.
func (e *Engine) Limits(ctx context.Context, project string) (map[string]int64, error) {
	limits, err := e.Class(ctx, DefaultClass)
	if err != nil {
		return nil, err
	}
	own, err := e.Store.Limits(ctx, project)
	if err != nil {
		return nil, fmt.Errorf("read limits of project %s: %w", project, err)
	}
	overlay(limits, own)
	return limits, nil
}

// overlay puts own limits over others; of resources that are no more there
// may be some left, which do not count.
func overlay(limits, own map[string]int64) {
	for resource, limit := range own {
		if _, known := limits[resource]; known {
			limits[resource] = limit
		}
	}
}

// Check gives a fault.OverQuota around an *Error if the project may not have
// so much more. The fault's message is a plain one; APIs word their own. It
// must run in the transaction that does the adding. What does not grow is not
// checked: a project over its limit may always shrink.
func (e *Engine) Check(ctx context.Context, project string, deltas map[string]int64) error {
	limits, err := e.Limits(ctx, project)
	if err != nil {
		return err
	}
	var over []*Exceeded
	for _, resource := range slices.Sorted(maps.Keys(deltas)) {
		limit, known := limits[resource]
		if !known {
			return fmt.Errorf("check quota: there is no resource %s", resource)
		}
		if deltas[resource] <= 0 || limit < 0 {
			continue
		}
		used, err := e.Usage(ctx, project, resource)
		if err != nil {
			return fmt.Errorf("count %s of project %s: %w", resource, project, err)
		}
		if deltas[resource] > limit-used {
			over = append(over, &Exceeded{Resource: resource, Limit: limit, Used: used, Requested: deltas[resource]})
		}
	}
	if over == nil {
		return nil
	}
	var names []string
	for _, x := range over {
		names = append(names, x.Resource)
	}
	return fault.New(fault.OverQuota, "Quota exceeded for %s.", strings.Join(names, ", ")).WithCause(&Error{Exceeded: over})
}
