package agent

import (
	"context"
	"errors"
	"net/http"
	"time"

	"nubo/compute"
	"nubo/internal/fault"
	"nubo/sdk/rest"
)

const (
	firstWait = 100 * time.Millisecond
	longWait  = 5 * time.Second
	// answerTime is how long the conductor is given: its answer may have been
	// lost with a broker.
	answerTime = 10 * time.Second
)

// always calls the conductor until it answers, or ctx ends: what has happened
// on a host must be written, however long the bus is away. An answer is
// final.
func (a *Agent) always(ctx context.Context, what string, fn func(ctx context.Context) error) error {
	for wait := firstWait; ; wait = min(2*wait, longWait) {
		err := within(ctx, answerTime, fn)
		if err == nil || fault.Is(err, fault.Conflict) || fault.Is(err, fault.NotFound) || fault.Is(err, fault.Invalid) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		a.log.WarnContext(ctx, "the conductor is asked again", "for", what, "error", err)
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}

// within bounds the time of a call.
func within(ctx context.Context, d time.Duration, fn func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	return fn(ctx)
}

// update changes a server by the conductor. If the answer to a change that
// was made got lost, the second try finds that it came too late; what the
// caller left undone then is found by recover.
func (a *Agent) update(ctx context.Context, u compute.Update, e *compute.ActionEventArgs) error {
	return a.always(ctx, "a change", func(ctx context.Context) error {
		_, err := a.conductor.UpdateServer(ctx, u, e)
		return err
	})
}

// lost reports whether an update came too late: the server is gone, or is not
// as it was.
func lost(err error) bool { return fault.Is(err, fault.Conflict) || fault.Is(err, fault.NotFound) }

// patiently calls another service until it answers, for a while. fn may have
// had its effect although it seems to have failed.
func (a *Agent) patiently(ctx context.Context, what string, fn func() error) error {
	deadline := time.Now().Add(a.cfg.ServicePatience)
	for wait := firstWait; ; wait = min(2*wait, longWait) {
		err := fn()
		if err == nil || !transient(err) || ctx.Err() != nil || time.Now().After(deadline) {
			return err
		}
		a.log.WarnContext(ctx, "another service is asked again", "for", what, "error", err)
		if err := pause(ctx, wait); err != nil {
			return err
		}
	}
}

// makingTime is how long another service is given to make something.
const makingTime = time.Minute

// making runs a call that makes something. The end of ctx does not end it: a
// call that is given up may still have its effect, and after those have
// looked who clean up behind it.
func making[T any](ctx context.Context, fn func(ctx context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), makingTime)
	defer cancel()
	return fn(ctx)
}

// transient reports whether an error may go away by itself.
func transient(err error) bool {
	var e *rest.Error
	if errors.As(err, &e) {
		return e.Status >= http.StatusInternalServerError || e.Status == http.StatusTooManyRequests || e.Status == http.StatusUnauthorized
	}
	var final *finalError
	return !errors.As(err, &final) && !errors.Is(err, context.Canceled)
}

// finalError is a failure that no other try, and no other host, would mend.
type finalError struct{ error }

func (e *finalError) Unwrap() error { return e.error }

func final(err error) error { return &finalError{err} }

// hopeless reports whether another host would fail, too: what the user asked
// for is refused.
func hopeless(err error) bool {
	var f *finalError
	var e *rest.Error
	return errors.As(err, &f) || errors.As(err, &e) && e.Status >= 400 && e.Status < 500
}

// unlessGone makes the absence of what is to be removed a success.
func unlessGone(err error) error {
	if rest.IsNotFound(err) {
		return nil
	}
	return err
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// message is what an error says to the server's owner: another service's own
// words, without addresses.
func message(err error) string {
	var e *rest.Error
	if errors.As(err, &e) {
		return e.Message
	}
	return err.Error()
}
