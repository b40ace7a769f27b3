package compute

import "time"

// ServerGroup asks the scheduler to keep servers together or apart.
type ServerGroup struct {
	ID        string
	Name      string
	ProjectID string
	UserID    string
	Policy    string // "affinity", "anti-affinity", "soft-…"
	Rules     map[string]int
	// Members are the ids of its servers that are not deleted.
	Members   []string
	CreatedAt time.Time
}
