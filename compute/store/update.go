package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"nubo/compute"
	"nubo/internal/clock"
	"nubo/internal/db"
	"nubo/internal/fault"
)

// UpdateServer implements compute.ServerStore.
func (s *Store) UpdateServer(ctx context.Context, u compute.Update) (*compute.Server, error) {
	row, err := s.update(ctx, u, "*")
	if err != nil {
		return nil, err
	}
	return row.server(), nil
}

// ChangeServer implements compute.ServerStore.
func (s *Store) ChangeServer(ctx context.Context, u compute.Update) (compute.ServerState, error) {
	row, err := s.update(ctx, u, "id, vm_state, task_state, revision")
	if err != nil {
		return compute.ServerState{}, err
	}
	return compute.ServerState{
		ServerID: row.ID, State: compute.VMState(row.State), TaskState: compute.TaskState(row.TaskState), Revision: row.Revision,
	}, nil
}

// update changes a server and gives columns of its row as they are then.
func (s *Store) update(ctx context.Context, u compute.Update, returning string) (*serverRow, error) {
	var row serverRow
	err := s.tx(ctx, func(ctx context.Context, tx bun.IDB) error {
		row = serverRow{}
		columns := row.apply(&u.Set)
		q := tx.NewUpdate().Model(&row).Column(columns...).Set("revision = revision + 1")
		if u.Set.Deleted && u.Set.TerminatedAt == nil {
			q = q.Set("terminated_at = COALESCE(terminated_at, ?)", row.UpdatedAt)
		}
		err := expect(q.Where("id = ?", u.ServerID).Where("NOT deleted"), u).Returning(returning).Scan(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			if err := tx.NewSelect().Model(&row).Where("id = ?", u.ServerID).Where("NOT deleted").Scan(ctx); err != nil {
				return notFound(err, noServer(u.ServerID))
			}
			return conflict(&row, u)
		}
		if err != nil {
			return fmt.Errorf("update server %s: %w", u.ServerID, err)
		}
		return s.updateDevices(ctx, tx, u)
	})
	return &row, err
}

// expect limits an update to a server that is as it wants it.
func expect(q *bun.UpdateQuery, u compute.Update) *bun.UpdateQuery {
	among := func(condition string, n int, values any) {
		if n > 0 {
			q = q.Where(condition, bun.List(values))
		}
	}
	among("vm_state IN (?)", len(u.ExpectVM), u.ExpectVM)
	among("task_state IN (?)", len(u.ExpectTask), u.ExpectTask)
	among("task_state NOT IN (?)", len(u.RefuseTask), u.RefuseTask)
	if u.ExpectHost != nil {
		q = q.Where("host = ?", *u.ExpectHost)
	}
	if u.ExpectRev != 0 {
		q = q.Where("revision = ?", u.ExpectRev)
	}
	return q
}

func conflict(r *serverRow, u compute.Update) *fault.Error {
	return fault.Conflictf("Conflict updating instance %s. Expected: vm_state %v, task_state %v. Actual: vm_state %s, task_state %q",
		r.ID, u.ExpectVM, u.ExpectTask, r.State, r.TaskState).WithType("UnexpectedTaskStateError")
}

// apply sets the fields and gives the columns that change.
func (r *serverRow) apply(f *compute.ServerFields) []string {
	columns := []string{"updated_at"}
	r.UpdatedAt = now()
	set := func(column string, changed bool, write func()) {
		if changed {
			columns = append(columns, column)
			write()
		}
	}
	set("vm_state", f.State != nil, func() { r.State = string(*f.State) })
	set("task_state", f.TaskState != nil, func() { r.TaskState = string(*f.TaskState) })
	set("power_state", f.PowerState != nil, func() { r.PowerState = int(*f.PowerState) })
	set("host", f.Host != nil, func() { r.Host = *f.Host })
	set("node", f.Node != nil, func() { r.Node = *f.Node })
	set("az", f.AZ != nil, func() { r.AZ = *f.AZ })
	set("attempts", f.Attempts != nil, func() { r.Attempts = *f.Attempts })
	set("vifs", f.VIFs != nil, func() {
		r.VIFs, r.IPs = docOf(*f.VIFs), addresses(*f.VIFs)
		columns = append(columns, "ips")
	})
	set("fault", f.Fault != nil || f.ClearFault, func() { r.Fault = docOf(f.Fault) })
	set("launched_at", f.LaunchedAt != nil, func() { r.LaunchedAt = micro(f.LaunchedAt) })
	set("terminated_at", f.TerminatedAt != nil, func() { r.TerminatedAt = micro(f.TerminatedAt) })
	set("name", f.Name != nil, func() { r.Name = *f.Name })
	set("hostname", f.Hostname != nil, func() { r.Hostname = *f.Hostname })
	set("description", f.Description != nil, func() { r.Description = *f.Description })
	set("access_ip_v4", f.AccessIPv4 != nil, func() { r.AccessIPv4 = *f.AccessIPv4 })
	set("access_ip_v6", f.AccessIPv6 != nil, func() { r.AccessIPv6 = *f.AccessIPv6 })
	set("disk_config", f.DiskConfig != nil, func() { r.DiskConfig = *f.DiskConfig })
	set("locked", f.Locked != nil, func() { r.Locked = *f.Locked })
	set("locked_by", f.LockedBy != nil, func() { r.LockedBy = *f.LockedBy })
	set("locked_reason", f.LockedReason != nil, func() { r.LockedReason = *f.LockedReason })
	set("tags", f.Tags != nil, func() { r.Tags = docOf(*f.Tags) })
	set("security_groups", f.Groups != nil, func() { r.SecurityGroups = docOf(*f.Groups) })
	if f.Deleted {
		return append(columns, r.bury()...)
	}
	return columns
}

// bury makes the row one of the past.
func (r *serverRow) bury() []string {
	r.Deleted, r.State, r.TaskState, r.PowerState = true, string(compute.Deleted), "", int(compute.NoState)
	r.DeletedAt = &r.UpdatedAt
	return []string{"deleted", "vm_state", "task_state", "power_state", "deleted_at"}
}

// hostColumns are those of a block device that change after it was made, but
// for those that are the user's: see compute.Update.
var hostColumns = []string{"volume_id", "volume_size", "attachment_id", "connection", "attached", "device_name"}

// updateDevices does what an update says of block devices.
func (s *Store) updateDevices(ctx context.Context, tx bun.IDB, u compute.Update) error {
	for i := range u.SetDevices {
		u.SetDevices[i].ServerID = u.ServerID
		row := deviceRowOf(&u.SetDevices[i])
		if row.CreatedAt.IsZero() {
			row.CreatedAt = now()
		}
		q := tx.NewInsert().Model(row).On("CONFLICT (id) DO UPDATE")
		for _, column := range hostColumns {
			q = q.Set("? = EXCLUDED.?", bun.Ident(column), bun.Ident(column))
		}
		if _, err := q.Exec(ctx); err != nil {
			return fmt.Errorf("write block device %s: %w", row.ID, err)
		}
	}
	for id, detaching := range u.Detaching {
		q := tx.NewUpdate().Model((*deviceRow)(nil)).Set("detaching = ?", detaching).Where("id = ?", id).Where("server_id = ?", u.ServerID)
		if _, err := q.Exec(ctx); err != nil {
			return fmt.Errorf("write block device %s: %w", id, err)
		}
	}
	q := tx.NewDelete().Model((*deviceRow)(nil)).Where("server_id = ?", u.ServerID)
	switch {
	case u.Set.Deleted:
		if err := dropConsoleTokens(ctx, tx, u.ServerID); err != nil {
			return err
		}
	case len(u.DropDevices) > 0:
		q = q.Where("id IN (?)", bun.List(u.DropDevices))
	default:
		return nil
	}
	if _, err := q.Exec(ctx); err != nil {
		return fmt.Errorf("remove block devices of %s: %w", u.ServerID, err)
	}
	return nil
}

func now() time.Time { return db.Micro(clock.System.Now()) }

func micro(t *time.Time) *time.Time {
	m := db.Micro(*t)
	return &m
}

// jsonText is a string as JSON writes it.
func jsonText(s string) string {
	b, _ := json.Marshal(s) // a string: cannot fail
	return string(b)
}

var likeEscapes = strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`)

// likeText escapes what LIKE takes for wildcards.
func likeText(s string) string { return likeEscapes.Replace(s) }
