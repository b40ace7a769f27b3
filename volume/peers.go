package volume

import (
	"context"
	"errors"
	"io"
	"net/http"

	"nubo/internal/auth"
	"nubo/internal/fault"
	"nubo/sdk/image"
	"nubo/sdk/rest"
)

// ImagePeer implements Images by the image service's client, whose own token
// is the service user's.
type ImagePeer struct{ Client image.Client }

// Show implements Images.
func (p ImagePeer) Show(ctx context.Context, id string) (Image, error) {
	c := image.Client{Client: p.Client.WithToken(rest.StaticToken(auth.From(ctx).Token))}
	i, err := c.Show(ctx, id)
	if err != nil {
		return Image{}, imageFault(err)
	}
	const gib = 1 << 30
	return Image{
		ID: i.ID, Name: i.Name, Status: i.Status, DiskFormat: i.DiskFormat, Size: i.Size, Checksum: i.Checksum, MinDiskGB: i.MinDisk, MinRAMMB: i.MinRAM,
		VirtualGB: int((i.VirtualSize + gib - 1) / gib), Properties: i.Properties,
	}, nil
}

// Download implements Images.
func (p ImagePeer) Download(ctx context.Context, id string) (io.ReadCloser, error) {
	body, _, err := p.Client.Download(ctx, id)
	if err != nil {
		return nil, imageFault(err)
	}
	return body, nil
}

// imageFault words the image service's refusal. An image that the caller may
// not see looks like none.
func imageFault(err error) error {
	var e *rest.Error
	if errors.As(err, &e) && (e.Status == http.StatusNotFound || e.Status == http.StatusForbidden) {
		return fault.Invalidf("Invalid image identifier or unable to access requested image.").WithCause(err)
	}
	return fault.Unavailablef("The image service does not answer.").WithCause(err)
}
