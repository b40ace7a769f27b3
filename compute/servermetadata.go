package compute

import (
	"context"
	"maps"

	"nubo/internal/fault"
)

// checkMetadataItems checks how many metadata items a server may have.
func (s *Service) checkMetadataItems(n int) error {
	if limit := s.cfg.Quota.MetadataItems; limit >= 0 && int64(n) > limit {
		return fault.New(fault.OverQuota, "Maximum number of metadata items exceeds %d", limit)
	}
	return nil
}

// ChangeTags changes a server's tags and gives them as they are then.
func (s *Service) ChangeTags(ctx context.Context, id string, change func(tags []string) ([]string, error)) ([]string, error) {
	var tags []string
	err := s.store.InTx(ctx, func(ctx context.Context) error {
		server, err := s.Server(ctx, id)
		if err != nil {
			return err
		}
		free := rule{action: "update tags of", unlaunched: true}
		if err := free.check(ctx, server); err != nil {
			return err
		}
		if tags, err = change(server.Tags); err != nil {
			return err
		}
		_, err = s.store.UpdateServer(ctx, Update{ServerID: id, Set: ServerFields{Tags: &tags}})
		return err
	})
	return tags, err
}

// ChangeMetadata changes a server's metadata and gives it as it is then.
func (s *Service) ChangeMetadata(ctx context.Context, id string, change func(metadata map[string]string) error) (map[string]string, error) {
	var metadata map[string]string
	err := s.store.InTx(ctx, func(ctx context.Context) error {
		server, err := s.Server(ctx, id)
		if err != nil {
			return err
		}
		free := rule{action: "update metadata of", unlaunched: true}
		if err := free.check(ctx, server); err != nil {
			return err
		}
		metadata = maps.Clone(server.Metadata)
		if metadata == nil {
			metadata = map[string]string{}
		}
		if err := change(metadata); err != nil {
			return err
		}
		if err := s.checkMetadataItems(len(metadata)); err != nil {
			return err
		}
		return s.store.SetServerMetadata(ctx, id, metadata)
	})
	return metadata, err
}
