package compute

import (
	"context"
	"crypto/rand"
	"math/big"

	"nubo/internal/auth"
	"nubo/internal/fault"
)

// Start has a stopped server started.
func (s *Service) Start(ctx context.Context, server *Server) error {
	_, err := s.apply(ctx, server, change{
		rule:   rule{action: "start", vm: []VMState{Stopped}, tasks: []TaskState{NoTask}},
		record: "start", set: ServerFields{TaskState: Ptr(PoweringOn)},
		method: MethodStart, args: func(after *Server) any { return ServerArgs{after} },
	})
	return err
}

// Stop has a running server shut down.
func (s *Service) Stop(ctx context.Context, server *Server) error {
	_, err := s.apply(ctx, server, change{
		rule:   rule{action: "stop", vm: []VMState{Active, Errored}, tasks: []TaskState{NoTask}},
		record: "stop", set: ServerFields{TaskState: Ptr(PoweringOff)},
		method: MethodStop, args: func(after *Server) any { return ServerArgs{after} },
	})
	return err
}

// Reboot has a server restarted: by the guest's own means, or hard.
func (s *Service) Reboot(ctx context.Context, server *Server, hard bool) error {
	c := change{
		rule:   rule{action: "reboot", vm: []VMState{Active}, tasks: []TaskState{NoTask}},
		record: "reboot", set: ServerFields{TaskState: Ptr(Rebooting)},
		method: MethodReboot, args: func(after *Server) any { return RebootArgs{Server: after, Hard: hard} },
	}
	if hard { // also helps where a soft one hangs
		c.rule.vm = []VMState{Active, Stopped, Paused, Errored}
		c.rule.tasks = []TaskState{NoTask, Rebooting, RebootPending, RebootStarted, RebootingHard, RebootPendingHard, RebootStartedHard}
		c.set = ServerFields{TaskState: Ptr(RebootingHard)}
	}
	_, err := s.apply(ctx, server, c)
	return err
}

// Delete has a server removed, whatever state it is in. One no host knows of
// is gone at once; who is scheduling it just now finds it gone and gives back
// what was claimed. A second request while the first is at work does nothing.
func (s *Service) Delete(ctx context.Context, server *Server) error {
	if server.TaskState == Deleting {
		return nil
	}
	free := rule{action: "delete", unlaunched: true}
	if server.Host == "" {
		nobodys := ""
		_, err := s.apply(ctx, server, change{
			rule: free, record: "delete", set: ServerFields{Deleted: true},
			update: func(_ context.Context, u *Update) error { u.ExpectHost = &nobodys; return nil },
		})
		if err == nil {
			return s.releaseAll(ctx, server)
		}
		if !fault.Is(err, fault.Conflict) || server.Locked && !auth.From(ctx).IsAdmin {
			return gone(err)
		} // a host was found for it meanwhile
	}
	_, err := s.apply(ctx, server, change{
		rule: free, record: "delete", set: ServerFields{TaskState: Ptr(Deleting)},
		update: func(_ context.Context, u *Update) error { u.RefuseTask = []TaskState{Deleting}; return nil },
		method: MethodTerminate, args: func(after *Server) any { return ServerArgs{after} },
	})
	if fault.Is(err, fault.Conflict) {
		if now, lookErr := s.store.Server(ctx, server.ID); lookErr == nil && now.TaskState == Deleting {
			return nil
		}
	}
	return gone(err)
}

// gone makes a delete that finds nothing any more a success.
func gone(err error) error {
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	return err
}

// releaseAll gives back the volumes of a server no host has seen.
func (s *Service) releaseAll(ctx context.Context, server *Server) error {
	var reserved []string
	for _, b := range server.BlockDevices {
		if b.AttachmentID != "" {
			reserved = append(reserved, b.AttachmentID)
		}
	}
	if err := s.release(ctx, reserved); err != nil {
		// The server is gone, as was asked; the conductor finds what is left.
		s.log.WarnContext(ctx, "volumes of a deleted server stay reserved", "server", server.ID, "error", err)
	}
	return nil
}

// Lock keeps others than admins from changing a server.
func (s *Service) Lock(ctx context.Context, server *Server, reason string) error {
	by := LockedByAdmin
	if auth.From(ctx).ProjectID == server.ProjectID {
		by = LockedByOwner
	}
	return s.set(ctx, server, "lock", ServerFields{Locked: Ptr(true), LockedBy: &by, LockedReason: &reason})
}

// Unlock ends that.
func (s *Service) Unlock(ctx context.Context, server *Server) error {
	return s.set(ctx, server, "unlock", ServerFields{Locked: Ptr(false), LockedBy: Ptr(""), LockedReason: Ptr("")})
}

// ResetState is the admin's: it says what a server is, against all odds.
func (s *Service) ResetState(ctx context.Context, server *Server, state VMState) error {
	return s.set(ctx, server, "", ServerFields{State: &state, TaskState: Ptr(NoTask)})
}

// Update changes what a server is called.
func (s *Service) Update(ctx context.Context, server *Server, f ServerFields) (*Server, error) {
	return s.apply(ctx, server, change{rule: rule{action: "update", unlaunched: true, locked: true}, set: f})
}

// set changes fields, whatever the server's state.
func (s *Service) set(ctx context.Context, server *Server, record string, f ServerFields) error {
	_, err := s.apply(ctx, server, change{rule: rule{action: record, unlaunched: true, locked: true}, record: record, set: f})
	return err
}

// ConsoleOutput gives the last lines of a server's console; 0 is all.
func (s *Service) ConsoleOutput(ctx context.Context, server *Server, lines int) (string, error) {
	if server.Host == "" {
		return "", NotReady(server.ID)
	}
	ctx, cancel := context.WithTimeout(ctx, s.cfg.Default.ConsoleTimeout)
	defer cancel()
	return s.agent.ConsoleOutput(ctx, server.Host, ConsoleArgs{Server: server, Lines: lines})
}

// password is easy to read aloud: no 0, 1, I, O, l or o.
const passwordLetters = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnpqrstuvwxyz"

func password(n int) string {
	b := make([]byte, n)
	for i := range b {
		// crypto/rand does not fail: it ends the program instead.
		k, _ := rand.Int(rand.Reader, big.NewInt(int64(len(passwordLetters))))
		b[i] = passwordLetters[k.Int64()]
	}
	return string(b)
}
