package volume

import (
	"context"
	"encoding/json"

	"nubo/internal/db"
	"nubo/internal/rpc"
)

// Exchange is cinder's, which keeps oslo.messaging's default name.
const Exchange = "openstack"

// Topics of the component.
const (
	TopicScheduler = "cinder-scheduler"
	TopicVolume    = "cinder-volume"
)

// Methods of the topics. All but the attachments' are casts.
const (
	MethodCreate           = "create_volume"
	MethodDelete           = "delete_volume"
	MethodExtend           = "extend_volume"
	MethodAttachmentUpdate = "attachment_update"
	MethodAttachmentDelete = "attachment_delete"
)

const rpcVersion = "3.17"

// SchedulerTarget is where volumes are given a host.
func SchedulerTarget(server string) rpc.Target {
	return rpc.Target{Exchange: Exchange, Topic: TopicScheduler, Server: server, Version: rpcVersion}
}

// ManagerTarget is the manager of a host, named host@backend.
func ManagerTarget(host string) rpc.Target {
	return rpc.Target{Exchange: Exchange, Topic: TopicVolume, Server: host, Version: rpcVersion}
}

// VolumeArgs name the volume that a cast is about. What is to become of it is
// in its row, so that a cast that is lost can be done without.
type VolumeArgs struct {
	VolumeID string `json:"volume_id"`
}

// AttachmentArgs name the attachment that a call is about.
type AttachmentArgs struct {
	VolumeID     string    `json:"volume_id"`
	AttachmentID string    `json:"attachment_id"`
	Connector    Connector `json:"connector"`
	Mode         string    `json:"mode"`
}

// Kinds of messages in the outbox. Both hold an rpc.Envelope.
const (
	outboxCast   = "rpc"
	outboxNotify = "notify"
)

// cast puts a cast into the outbox, in the transaction of ctx.
func (s *Volumes) cast(ctx context.Context, t rpc.Target, method string, args any) error {
	e, err := s.bus.Client(t).EncodeCast(ctx, method, args)
	if err != nil {
		return err
	}
	return s.post(ctx, outboxCast, e)
}

func (s *Volumes) post(ctx context.Context, kind string, e rpc.Envelope) error {
	body, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return s.store.Outbox().Add(ctx, db.Message{Kind: kind, Body: body})
}

// Relay publishes what the outbox holds, until ctx ends.
func (s *Volumes) Relay(ctx context.Context, ready func()) error {
	ready()
	return s.store.Outbox().Run(ctx, func(ctx context.Context, msgs []db.Message) (int, error) {
		envs := make([]rpc.Envelope, len(msgs))
		for i, m := range msgs {
			if err := json.Unmarshal(m.Body, &envs[i]); err != nil {
				return 0, err
			}
		}
		return s.bus.Publish(ctx, envs)
	})
}
