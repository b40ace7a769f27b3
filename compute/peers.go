package compute

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"

	"nubo/internal/auth"
	"nubo/internal/fault"
	"nubo/sdk/image"
	"nubo/sdk/network"
	"nubo/sdk/rest"
	"nubo/sdk/volume"
)

// Networks is what the API asks of the network service. Every method speaks
// in the caller's name: what he may not see does not exist.
type Networks interface {
	Networks(ctx context.Context, query url.Values) ([]network.Network, error)
	Port(ctx context.Context, id string) (*network.Port, error)
	Ports(ctx context.Context, query url.Values) ([]network.Port, error)
	CreatePort(ctx context.Context, in network.PortCreate) (*network.Port, error)
	UpdatePort(ctx context.Context, id string, in network.PortUpdate) (*network.Port, error)
	DeletePort(ctx context.Context, id string) error
	SecurityGroups(ctx context.Context, query url.Values) ([]network.SecurityGroup, error)
}

// Image is what matters of an image.
type Image struct {
	ID         string
	Name       string
	Status     string
	Size       int64 // bytes
	MinDisk    int   // GiB
	MinRAM     int   // MiB
	Properties map[string]string
}

// Images is what the API asks of the image service, in the caller's name.
type Images interface {
	Image(ctx context.Context, id string) (*Image, error)
}

// Volume is what matters of a volume.
type Volume struct {
	ID       string
	Status   string
	SizeGB   int
	Bootable bool
	AZ       string
}

// Volumes is what the API asks of the volume service, in the caller's name.
type Volumes interface {
	Volume(ctx context.Context, id string) (*Volume, error)
	// Reserve makes an attachment without a connector, which keeps the volume
	// for the server, and gives its id.
	Reserve(ctx context.Context, volumeID, serverID string) (string, error)
	// Release deletes an attachment; one that is gone is no error.
	Release(ctx context.Context, attachmentID string) error
}

// NetworkPeer implements Networks by the network service's client.
type NetworkPeer struct{ Client network.Client }

func (p NetworkPeer) as(ctx context.Context) network.Client {
	return network.Client{Client: p.Client.WithToken(callersToken(ctx))}
}

// callersToken is the token of whoever the request is made for.
func callersToken(ctx context.Context) rest.TokenSource {
	return rest.StaticToken(auth.From(ctx).Token)
}

// Networks implements Networks.
func (p NetworkPeer) Networks(ctx context.Context, query url.Values) ([]network.Network, error) {
	return p.as(ctx).ListNetworks(ctx, query)
}

// Port implements Networks.
func (p NetworkPeer) Port(ctx context.Context, id string) (*network.Port, error) {
	return p.as(ctx).ShowPort(ctx, id)
}

// Ports implements Networks.
func (p NetworkPeer) Ports(ctx context.Context, query url.Values) ([]network.Port, error) {
	return p.as(ctx).ListPorts(ctx, query)
}

// CreatePort implements Networks.
func (p NetworkPeer) CreatePort(ctx context.Context, in network.PortCreate) (*network.Port, error) {
	return p.as(ctx).CreatePort(ctx, in)
}

// UpdatePort implements Networks.
func (p NetworkPeer) UpdatePort(ctx context.Context, id string, in network.PortUpdate) (*network.Port, error) {
	return p.as(ctx).UpdatePort(ctx, id, in)
}

// DeletePort implements Networks.
func (p NetworkPeer) DeletePort(ctx context.Context, id string) error {
	return p.as(ctx).DeletePort(ctx, id)
}

// SecurityGroups implements Networks.
func (p NetworkPeer) SecurityGroups(ctx context.Context, query url.Values) ([]network.SecurityGroup, error) {
	return p.as(ctx).ListSecurityGroups(ctx, query)
}

// ImagePeer implements Images by the image service's client.
type ImagePeer struct{ Client image.Client }

// Image implements Images.
func (p ImagePeer) Image(ctx context.Context, id string) (*Image, error) {
	i, err := image.Client{Client: p.Client.WithToken(callersToken(ctx))}.Show(ctx, id)
	if err != nil {
		return nil, err
	}
	return &Image{
		ID: i.ID, Name: i.Name, Status: i.Status, Size: i.Size, MinDisk: i.MinDisk, MinRAM: i.MinRAM, Properties: i.Properties,
	}, nil
}

// VolumePeer implements Volumes by the volume service's client.
type VolumePeer struct{ Client volume.Client }

func (p VolumePeer) as(ctx context.Context) volume.Client {
	return volume.Client{Client: p.Client.WithToken(callersToken(ctx))}
}

// Volume implements Volumes.
func (p VolumePeer) Volume(ctx context.Context, id string) (*Volume, error) {
	v, err := p.as(ctx).ShowVolume(ctx, id)
	if err != nil {
		return nil, err
	}
	return &Volume{ID: v.ID, Status: v.Status, SizeGB: v.Size, Bootable: v.Bootable == "true", AZ: v.AvailabilityZone}, nil
}

// Reserve implements Volumes.
func (p VolumePeer) Reserve(ctx context.Context, volumeID, serverID string) (string, error) {
	a, err := p.as(ctx).CreateAttachment(ctx, volumeID, serverID, nil)
	if err != nil {
		return "", err
	}
	return a.ID, nil
}

// Release implements Volumes.
func (p VolumePeer) Release(ctx context.Context, attachmentID string) error {
	if err := p.as(ctx).DeleteAttachment(ctx, attachmentID); err != nil && !rest.IsNotFound(err) {
		return err
	}
	return nil
}

// peerFault words what another service answered. missing is the answer for
// what it does not know; nil where that cannot be the client's mistake.
func peerFault(err error, service string, missing *fault.Error) error {
	var e *rest.Error
	var f *fault.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &f):
		return err
	case errors.Is(err, context.Canceled):
		return err
	case !errors.As(err, &e):
		return fault.Unavailablef("The %s service is unavailable at this time.", service).WithCause(err)
	case e.Status == http.StatusNotFound && missing != nil:
		return missing.WithCause(err)
	}
	kinds := map[int]fault.Kind{
		http.StatusBadRequest: fault.Invalid, http.StatusUnauthorized: fault.Unauthorized, http.StatusForbidden: fault.Forbidden,
		http.StatusNotFound: fault.NotFound, http.StatusConflict: fault.Conflict, http.StatusRequestEntityTooLarge: fault.OverQuota,
	}
	kind, ok := kinds[e.Status]
	if !ok {
		return fault.Unavailablef("The %s service is unavailable at this time.", service).WithCause(err)
	}
	return fault.New(kind, "%s", e.Message).WithCause(err)
}

// byID finds the one of the id.
func byID[T any](list []T, id string, of func(*T) string) *T {
	i := slices.IndexFunc(list, func(one T) bool { return of(&one) == id })
	if i < 0 {
		return nil
	}
	return &list[i]
}
