package app

import (
	"context"
	"fmt"
	"os"
	"slices"

	"nubo/image"
	imageapi "nubo/image/api"
	"nubo/image/driver/file"
	"nubo/image/driver/s3"
	"nubo/image/driver/web"
	imagestore "nubo/image/store"
	"nubo/internal/clock"
	"nubo/internal/qemuimg"
	"nubo/internal/service"
)

// buildImage is the image service: its HTTP door and the worker of its tasks.
func (c *cloud) buildImage(ctx context.Context) (service.Service, error) {
	url, err := c.database("image")
	if err != nil {
		return nil, err
	}
	st, err := imagestore.Open(ctx, url)
	if err != nil {
		return nil, err
	}
	cfg := c.set.image
	reader := web.New(web.Config{Hosts: cfg.AllowedHosts, Ports: cfg.AllowedPorts, Schemes: cfg.AllowedSchemes})
	deps := image.Deps{
		Store: st, Web: reader, Convert: qemuimg.ConvertUntrusted, Publish: c.bus.Publish, Host: c.set.def.Host, Clock: clock.System, Log: c.module("image"),
	}
	if deps.Backends, err = c.imageBackends(ctx, reader); err != nil {
		return nil, err
	}
	if deps.Staging, err = file.New(cfg.NodeStagingDir); err != nil {
		return nil, err
	}
	if deps.Protections, err = propertyProtections(cfg.PropertyProtectionFile); err != nil {
		return nil, err
	}
	if cfg.ImageCacheMaxSize > 0 {
		if deps.Cache, err = imageCache(ctx, cfg); err != nil {
			return nil, err
		}
	}
	if cfg.UseKeystoneLimits {
		deps.Limits = image.KeystoneLimits(c.client(portIdentity, "/v3", "glance", ""))
	}
	svc := image.New(cfg, deps)
	if err := svc.Recover(ctx); err != nil {
		return nil, err
	}
	common, err := image.CommonNamespaces()
	if err != nil {
		return nil, err
	}
	if err := svc.EnsureCommon(ctx, common); err != nil {
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
	work := service.Func(func(ctx context.Context, ready func()) error {
		ready()
		return svc.Run(ctx)
	})
	return closing(together(api, work, service.Func(svc.Relay)), st.Close), nil
}

// imageBackends are the configured stores of images, the default one first.
func (c *cloud) imageBackends(ctx context.Context, reader *web.Reader) ([]image.Backend, error) {
	cfg := c.set.image
	var out []image.Backend
	for _, id := range cfg.EnabledBackends {
		b := image.Backend{ID: id, Type: id}
		var err error
		switch id {
		case "file":
			b.Description, b.Properties = "Files of this cloud", map[string]any{"data_dir": cfg.FilesystemStoreDatadir}
			b.Data, err = file.New(cfg.FilesystemStoreDatadir)
		case "s3":
			b.Description, b.Properties = "Objects of an S3 service", map[string]any{"s3_store_large_object_chunk_size": int64(c.set.s3.LargeObjectChunkSize)}
			b.Data, err = s3.New(ctx, c.set.s3)
		case "http":
			b.Description, b.Properties, b.ReadOnly = "Images that are elsewhere", map[string]any{}, true
			b.Data = web.NewStore(reader)
		default:
			err = fmt.Errorf("[image] enabled_backends: there is no store %q; there are file, s3 and http", id)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	n := slices.IndexFunc(out, func(b image.Backend) bool { return b.ID == cfg.DefaultBackend && !b.ReadOnly })
	if n < 0 {
		return nil, fmt.Errorf("[image] default_backend: %q is none of the enabled stores that can be written", cfg.DefaultBackend)
	}
	out[0], out[n] = out[n], out[0]
	return out, nil
}

func propertyProtections(name string) (*image.Protections, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	return image.ParseProtections(f)
}

func imageCache(ctx context.Context, cfg image.Config) (*image.Cache, error) {
	data, err := file.New(cfg.ImageCacheDir)
	if err != nil {
		return nil, err
	}
	return image.NewCache(ctx, data, int64(cfg.ImageCacheMaxSize), clock.System)
}
