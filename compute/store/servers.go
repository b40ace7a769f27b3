package store

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/uptrace/bun"

	"nubo/compute"
	"nubo/internal/auth"
	"nubo/internal/db"
	"nubo/internal/fault"
)

// serverRow is a row of servers. The order of the fields is the table's.
type serverRow struct {
	bun.BaseModel `bun:"table:servers,alias:servers"`

	ID           string     `bun:"id,pk"`
	Num          int64      `bun:"num"`
	ProjectID    string     `bun:"project_id"`
	UserID       string     `bun:"user_id"`
	Name         string     `bun:"name"`
	Hostname     string     `bun:"hostname"`
	State        string     `bun:"vm_state"`
	TaskState    string     `bun:"task_state"`
	PowerState   int        `bun:"power_state"`
	Revision     int64      `bun:"revision"`
	Attempts     int        `bun:"attempts"`
	Deleted      bool       `bun:"deleted"`
	Host         string     `bun:"host"`
	Node         string     `bun:"node"`
	VCPUs        int        `bun:"vcpus"`
	MemoryMB     int        `bun:"memory_mb"`
	DiskGB       int        `bun:"disk_gb"`
	CreatedAt    time.Time  `bun:"created_at"`
	UpdatedAt    time.Time  `bun:"updated_at"`
	LaunchedAt   *time.Time `bun:"launched_at"`
	TerminatedAt *time.Time `bun:"terminated_at"`
	DeletedAt    *time.Time `bun:"deleted_at"`

	RequestID       string                          `bun:"request_id"`
	ReservationID   string                          `bun:"reservation_id"`
	LaunchIndex     int                             `bun:"launch_index"`
	AZ              string                          `bun:"az"`
	RequestedAZ     string                          `bun:"requested_az"`
	RequestedHost   string                          `bun:"requested_host"`
	RequestedNode   string                          `bun:"requested_node"`
	Hints           doc[map[string][]string]        `bun:"hints"`
	GroupID         string                          `bun:"group_id"`
	FlavorID        string                          `bun:"flavor_id"`
	Flavor          doc[compute.FlavorSnapshot]     `bun:"flavor"`
	ImageRef        string                          `bun:"image_ref"`
	ImageProperties doc[map[string]string]          `bun:"image_properties"`
	KeyName         string                          `bun:"key_name"`
	KeyPublic       string                          `bun:"key_public"`
	KeyType         string                          `bun:"key_type"`
	Description     string                          `bun:"description"`
	Metadata        doc[map[string]string]          `bun:"metadata"`
	Tags            doc[[]string]                   `bun:"tags"`
	UserData        string                          `bun:"user_data"`
	ConfigDrive     bool                            `bun:"config_drive"`
	AccessIPv4      string                          `bun:"access_ip_v4"`
	AccessIPv6      string                          `bun:"access_ip_v6"`
	DiskConfig      string                          `bun:"disk_config"`
	Networks        doc[[]compute.RequestedNetwork] `bun:"networks"`
	VIFs            doc[[]compute.VIF]              `bun:"vifs"`
	IPs             string                          `bun:"ips"` // one a line, for filters
	SecurityGroups  doc[[]compute.SecurityGroup]    `bun:"security_groups"`
	RootDeviceName  string                          `bun:"root_device_name"`
	Fault           doc[*compute.Fault]             `bun:"fault"`
	Locked          bool                            `bun:"locked"`
	LockedBy        string                          `bun:"locked_by"`
	LockedReason    string                          `bun:"locked_reason"`
}

func rowOf(s *compute.Server) *serverRow {
	return &serverRow{
		ID: s.ID, Num: s.Num, ProjectID: s.ProjectID, UserID: s.UserID, Name: s.Name, Hostname: s.Hostname,
		State: string(s.State), TaskState: string(s.TaskState), PowerState: int(s.PowerState), Revision: s.Revision, Attempts: s.Attempts,
		Deleted: s.DeletedAt != nil, Host: s.Host, Node: s.Node,
		VCPUs: s.Flavor.VCPUs, MemoryMB: s.Flavor.MemoryMB, DiskGB: diskGB(s),
		CreatedAt: s.CreatedAt, UpdatedAt: s.UpdatedAt, LaunchedAt: s.LaunchedAt, TerminatedAt: s.TerminatedAt, DeletedAt: s.DeletedAt,
		RequestID: s.RequestID, ReservationID: s.ReservationID, LaunchIndex: s.LaunchIndex,
		AZ: s.AZ, RequestedAZ: s.RequestedAZ, RequestedHost: s.RequestedHost, RequestedNode: s.RequestedNode,
		Hints: docOf(s.Hints), GroupID: s.GroupID, FlavorID: s.Flavor.ID, Flavor: docOf(s.Flavor),
		ImageRef: s.ImageRef, ImageProperties: docOf(s.ImageProperties),
		KeyName: s.KeyName, KeyPublic: s.KeyPublic, KeyType: s.KeyType, Description: s.Description,
		Metadata: docOf(s.Metadata), Tags: docOf(s.Tags), UserData: s.UserData, ConfigDrive: s.ConfigDrive,
		AccessIPv4: s.AccessIPv4, AccessIPv6: s.AccessIPv6, DiskConfig: s.DiskConfig,
		Networks: docOf(s.Networks), VIFs: docOf(s.VIFs), IPs: addresses(s.VIFs), SecurityGroups: docOf(s.SecurityGroups),
		RootDeviceName: s.RootDeviceName, Fault: docOf(s.Fault), Locked: s.Locked, LockedBy: s.LockedBy, LockedReason: s.LockedReason,
	}
}

func (r *serverRow) server() *compute.Server {
	return &compute.Server{
		ID: r.ID, Num: r.Num, ProjectID: r.ProjectID, UserID: r.UserID, Name: r.Name, Hostname: r.Hostname,
		State: compute.VMState(r.State), TaskState: compute.TaskState(r.TaskState), PowerState: compute.PowerState(r.PowerState),
		Revision: r.Revision, Attempts: r.Attempts, Host: r.Host, Node: r.Node,
		CreatedAt: r.CreatedAt, UpdatedAt: r.UpdatedAt, LaunchedAt: r.LaunchedAt, TerminatedAt: r.TerminatedAt, DeletedAt: r.DeletedAt,
		RequestID: r.RequestID, ReservationID: r.ReservationID, LaunchIndex: r.LaunchIndex,
		AZ: r.AZ, RequestedAZ: r.RequestedAZ, RequestedHost: r.RequestedHost, RequestedNode: r.RequestedNode,
		Hints: r.Hints.V, GroupID: r.GroupID, Flavor: r.Flavor.V, ImageRef: r.ImageRef, ImageProperties: r.ImageProperties.V,
		KeyName: r.KeyName, KeyPublic: r.KeyPublic, KeyType: r.KeyType, Description: r.Description,
		Metadata: r.Metadata.V, Tags: r.Tags.V, UserData: r.UserData, ConfigDrive: r.ConfigDrive,
		AccessIPv4: r.AccessIPv4, AccessIPv6: r.AccessIPv6, DiskConfig: r.DiskConfig,
		Networks: r.Networks.V, VIFs: r.VIFs.V, SecurityGroups: r.SecurityGroups.V,
		RootDeviceName: r.RootDeviceName, Fault: r.Fault.V, Locked: r.Locked, LockedBy: r.LockedBy, LockedReason: r.LockedReason,
	}
}

// diskGB is what a server takes of its host's disk.
func diskGB(s *compute.Server) int {
	gb := s.Flavor.EphemeralGB + (s.Flavor.SwapMB+1023)/1024
	if !s.BootsFromVolume() {
		gb += s.Flavor.RootGB
	}
	return gb
}

// addresses gives all addresses of a server, each on a line of its own.
func addresses(vifs []compute.VIF) string {
	var b strings.Builder
	for _, v := range vifs {
		for _, ip := range v.FixedIPs {
			for _, a := range append([]string{ip.IP}, ip.Floating...) {
				b.WriteString(a)
				b.WriteByte('\n')
			}
		}
	}
	return b.String()
}

func noServer(id string) *fault.Error {
	return fault.NotFoundf("Instance %s could not be found.", id).WithType("InstanceNotFound")
}

// numBlock is how many server numbers are reserved at once. A restart skips
// what was left.
const numBlock = 16

// NextNums implements compute.ServerStore.
func (s *Store) NextNums(ctx context.Context, n int) ([]int64, error) {
	s.numMu.Lock()
	defer s.numMu.Unlock()
	nums := make([]int64, 0, n)
	for len(nums) < n {
		if s.nextNum >= s.numLimit {
			block := int64(max(numBlock, n))
			err := s.tx(ctx, func(ctx context.Context, tx bun.IDB) (err error) {
				s.nextNum, err = sequence(ctx, tx, "servers", block)
				return err
			})
			if err != nil {
				s.nextNum, s.numLimit = 0, 0
				return nil, err
			}
			s.numLimit = s.nextNum + block
		}
		nums = append(nums, s.nextNum)
		s.nextNum++
	}
	return nums, nil
}

// CreateServers implements compute.ServerStore.
func (s *Store) CreateServers(ctx context.Context, servers []*compute.Server) error {
	rows := make([]*serverRow, len(servers))
	var devices []*deviceRow
	for i, one := range servers {
		rows[i] = rowOf(one)
		for j := range one.BlockDevices {
			devices = append(devices, deviceRowOf(&one.BlockDevices[j]))
		}
	}
	return s.tx(ctx, func(ctx context.Context, tx bun.IDB) error {
		if _, err := tx.NewInsert().Model(&rows).Exec(ctx); err != nil {
			return fmt.Errorf("insert servers: %w", err)
		}
		if len(devices) == 0 {
			return nil
		}
		if _, err := tx.NewInsert().Model(&devices).Exec(ctx); err != nil {
			return fmt.Errorf("insert block devices: %w", err)
		}
		return nil
	})
}

// Server implements compute.ServerStore.
func (s *Store) Server(ctx context.Context, id string) (*compute.Server, error) {
	var row serverRow
	q := s.query(ctx)
	if err := q.NewSelect().Model(&row).Where("id = ?", id).Where("NOT deleted").Scan(ctx); err != nil {
		return nil, notFound(err, noServer(id))
	}
	server := row.server()
	var err error
	server.BlockDevices, err = s.BlockDevices(ctx, id)
	return server, err
}

// Servers implements compute.ServerStore.
func (s *Store) Servers(ctx context.Context, f compute.ServerQuery) ([]*compute.Server, error) {
	d := s.query(ctx)
	var rows []*serverRow
	q := s.filter(ctx, d.NewSelect().Model(&rows), f)
	scope := func(m *bun.SelectQuery) *bun.SelectQuery {
		if f.ChangesSince == nil && !f.OnlyDeleted {
			m = m.Where("NOT deleted")
		}
		if !f.AllProjects {
			m = m.Where("project_id = ?", auth.From(ctx).ProjectID)
		}
		return m
	}
	q, err := f.Page.Apply(ctx, q, d, db.Keyset{Table: "servers", Scope: scope})
	if err != nil {
		return nil, err
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("list servers: %w", err)
	}
	rows = db.Ordered(f.Page, rows)
	servers := make([]*compute.Server, len(rows))
	for i, r := range rows {
		servers[i] = r.server()
	}
	if !f.WithBlockDevices {
		return servers, nil
	}
	return servers, s.loadDevices(ctx, servers)
}

func (s *Store) filter(ctx context.Context, q *bun.SelectQuery, f compute.ServerQuery) *bun.SelectQuery {
	switch {
	case f.OnlyDeleted:
		q = q.Where("deleted")
	case f.ChangesSince == nil:
		q = q.Where("NOT deleted")
	}
	if !f.AllProjects {
		q = q.Where("project_id = ?", auth.From(ctx).ProjectID)
	}
	equal := func(column, value string) {
		if value != "" {
			q = q.Where("? = ?", bun.Ident(column), value)
		}
	}
	equal("project_id", f.ProjectID)
	equal("user_id", f.UserID)
	equal("host", f.Host)
	equal("node", f.Node)
	equal("az", f.AZ)
	equal("flavor_id", f.FlavorID)
	equal("image_ref", f.ImageID)
	equal("key_name", f.KeyName)
	equal("reservation_id", f.ReservationID)
	if f.IDs != nil {
		q = q.Where("id IN (?)", bun.List(append([]string{""}, f.IDs...)))
	}
	if len(f.States) > 0 {
		q = q.Where("vm_state IN (?)", bun.List(f.States))
	}
	if len(f.TaskStates) > 0 {
		q = q.Where("task_state IN (?)", bun.List(f.TaskStates))
	}
	if len(f.NotTasks) > 0 {
		q = q.Where("task_state NOT IN (?)", bun.List(f.NotTasks))
	}
	if f.Busy {
		q = q.Where("task_state <> ''")
	}
	if f.PowerState != nil {
		q = q.Where("power_state = ?", int(*f.PowerState))
	}
	if f.Locked != nil {
		q = q.Where("locked = ?", *f.Locked)
	}
	if f.ConfigDrive != nil {
		q = q.Where("config_drive = ?", *f.ConfigDrive)
	}
	if f.ChangesSince != nil {
		q = q.Where("updated_at >= ?", *f.ChangesSince)
	}
	if f.ChangesBefore != nil {
		q = q.Where("updated_at <= ?", *f.ChangesBefore)
	}
	for column, pattern := range map[string]string{"name": f.Name, "description": f.Description} {
		if pattern != "" {
			q = s.db.Matches(q, column, pattern, false)
		}
	}
	for _, pattern := range []string{f.IP, f.IP6} {
		if pattern != "" { // ^ and $ mean an address, which is a line
			q = s.db.Matches(q, "ips", pattern, true)
		}
	}
	return filterTags(q, f)
}

// filterTags filters by tags and metadata. Both are kept as JSON texts, whose
// strings are quoted, so that a whole one can be found in them.
func filterTags(q *bun.SelectQuery, f compute.ServerQuery) *bun.SelectQuery {
	has := func(q *bun.SelectQuery, tags []string, not bool, or bool) *bun.SelectQuery {
		if len(tags) == 0 {
			return q
		}
		condition := `tags LIKE ? ESCAPE '\'`
		return q.WhereGroup(" AND ", func(q *bun.SelectQuery) *bun.SelectQuery {
			for _, t := range tags {
				c, pattern := condition, "%"+likeText(jsonText(t))+"%"
				if not {
					c = "NOT " + c
				}
				if or {
					q = q.WhereOr(c, pattern)
				} else {
					q = q.Where(c, pattern)
				}
			}
			return q
		})
	}
	q = has(q, f.Tags, false, false)
	q = has(q, f.TagsAny, false, true)
	q = has(q, f.NotTags, true, true) // not all of them: lacks at least one
	q = has(q, f.NotTagsAny, true, false)
	keys := make([]string, 0, len(f.Metadata))
	for k := range f.Metadata {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		q = q.Where(`metadata LIKE ? ESCAPE '\'`, "%"+likeText(jsonText(k)+":"+jsonText(f.Metadata[k]))+"%")
	}
	return q
}

// SetServerMetadata implements compute.ServerStore.
func (s *Store) SetServerMetadata(ctx context.Context, id string, metadata map[string]string) error {
	res, err := s.query(ctx).NewUpdate().Model((*serverRow)(nil)).
		Set("metadata = ?", docOf(metadata)).Set("revision = revision + 1").Set("updated_at = ?", now()).
		Where("id = ?", id).Where("NOT deleted").Exec(ctx)
	return orMissing(res, err, noServer(id))
}

// KnownServers implements compute.ServerStore.
func (s *Store) KnownServers(ctx context.Context, ids []string) (map[string]bool, error) {
	known := make(map[string]bool, len(ids))
	if len(ids) == 0 {
		return known, nil
	}
	var rows []struct {
		ID      string
		Deleted bool
	}
	err := s.query(ctx).NewSelect().Table("servers").Column("id", "deleted").Where("id IN (?)", bun.List(ids)).Scan(ctx, &rows)
	for _, r := range rows {
		known[r.ID] = !r.Deleted
	}
	return known, err
}

// Used implements compute.ServerStore.
func (s *Store) Used(ctx context.Context, project string) (map[string]int64, error) {
	var n, cores, ram int64
	err := s.query(ctx).NewSelect().Table("servers").
		ColumnExpr("COUNT(*), COALESCE(SUM(vcpus), 0), COALESCE(SUM(memory_mb), 0)").
		Where("project_id = ?", project).Where("NOT deleted").Scan(ctx, &n, &cores, &ram)
	if err != nil {
		return nil, fmt.Errorf("count servers of project %s: %w", project, err)
	}
	return map[string]int64{"instances": n, "cores": cores, "ram": ram}, nil
}

// ProjectUsage implements compute.ServerStore.
func (s *Store) ProjectUsage(ctx context.Context, project string, start, end time.Time) ([]*compute.Server, error) {
	var rows []*serverRow
	q := s.query(ctx).NewSelect().Model(&rows).Where("launched_at IS NOT NULL").Where("launched_at < ?", end).
		Where("(terminated_at IS NULL OR terminated_at >= ?)", start).Order("created_at", "id")
	if project != "" {
		q = q.Where("project_id = ?", project)
	}
	if err := q.Scan(ctx); err != nil {
		return nil, fmt.Errorf("list usage: %w", err)
	}
	servers := make([]*compute.Server, len(rows))
	for i, r := range rows {
		servers[i] = r.server()
	}
	return servers, nil
}
