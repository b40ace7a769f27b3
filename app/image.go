package app

import (
	"context"

	"nubo/image"
	imageapi "nubo/image/api"
	"nubo/image/driver/file"
	imagestore "nubo/image/store"
	"nubo/internal/clock"
	"nubo/internal/service"
)

// buildImage is the image service.
func (c *cloud) buildImage(ctx context.Context) (service.Service, error) {
	url, err := c.database("image")
	if err != nil {
		return nil, err
	}
	st, err := imagestore.Open(ctx, url)
	if err != nil {
		return nil, err
	}
	data, err := file.New(c.set.image.FilesystemStoreDatadir)
	if err != nil {
		return nil, err
	}
	svc := image.New(c.set.image, st, data, clock.System, c.module("image"))
	if err := svc.Recover(ctx); err != nil {
		return nil, err
	}
	rules, err := c.enforcer("image", imageapi.Rules())
	if err != nil {
		return nil, err
	}
	api, err := c.api(portImage, imageapi.New(svc, c.validator("glance"), rules, c.module("image.api")))
	if err != nil {
		return nil, err
	}
	return closing(api, st.Close), nil
}
