package compute

import (
	"context"

	"nubo/internal/auth"
)

// ExternalEvents takes events of other services to the hosts of their
// servers. The code for each is Nova's: 200 taken, 404 no such server, 422
// the server is on no host.
func (s *Service) ExternalEvents(ctx context.Context, events []ExternalEvent) ([]int, error) {
	ids := make([]string, 0, len(events))
	for _, e := range events {
		ids = append(ids, e.ServerID)
	}
	servers, err := s.store.Servers(auth.Admin(ctx), ServerQuery{AllProjects: true, IDs: ids})
	if err != nil {
		return nil, err
	}
	hosts := make(map[string]string, len(servers))
	for _, one := range servers {
		hosts[one.ID] = one.Host
	}
	codes := make([]int, len(events))
	byHost := map[string][]ExternalEvent{}
	for i, e := range events {
		host, known := hosts[e.ServerID]
		switch {
		case !known:
			codes[i] = 404
		case host == "":
			codes[i] = 422
		default:
			codes[i] = 200
			byHost[host] = append(byHost[host], e)
		}
	}
	if len(byHost) == 0 {
		return codes, nil
	}
	return codes, s.store.InTx(ctx, func(ctx context.Context) error {
		for _, host := range sortedKeys(byHost) {
			cast, err := s.agent.Cast(ctx, host, MethodExternalEvent, EventsArgs{byHost[host]})
			if err != nil {
				return err
			}
			if err := s.store.Send(ctx, cast); err != nil {
				return err
			}
		}
		return nil
	})
}
