package management

import (
	"fmt"
	"net/url"
	"strconv"
	"time"

	"nubo/broker"
	"nubo/broker/history"
)

// span is a stretch of the past that samples are asked of; of none if age is zero.
type span struct{ age, incr time.Duration }

// ranges are the spans of the three groups of values.
type ranges struct{ lengths, messages, octets span }

// maxSamples is how many samples may be asked for.
const maxSamples = 1000

func parseRanges(q url.Values) (ranges, error) {
	var r ranges
	for name, s := range map[string]*span{"lengths": &r.lengths, "msg_rates": &r.messages, "data_rates": &r.octets} {
		age, err1 := strconv.ParseInt(q.Get(name+"_age"), 10, 32)
		incr, err2 := strconv.ParseInt(q.Get(name+"_incr"), 10, 32)
		if err1 != nil || err2 != nil || age <= 0 || incr <= 0 {
			continue // as if there were none
		}
		if age/incr > maxSamples {
			return r, badRequest(fmt.Sprintf("Invalid range parameters: age %d, incr %d", age, incr))
		}
		*s = span{time.Duration(age) * time.Second, time.Duration(incr) * time.Second}
	}
	return r, nil
}

// rated adds values to an object, each with its rate, and samples if they are
// asked for.
func rated(o object, v history.View, s span, list []broker.Metric) {
	for _, m := range list {
		o[m.Name] = m.Value
		o[m.Name+"_details"] = details(v, s, m.Name)
	}
}

func details(v history.View, s span, name string) object {
	d := object{"rate": v.Rate(name)}
	if s.age == 0 {
		return d
	}
	samples := v.Samples(name, s.age, s.incr)
	list := make([]object, 0, len(samples))
	var sum int64
	for _, x := range samples {
		list = append(list, object{"sample": x.Value, "timestamp": x.Time.UnixMilli()})
		sum += x.Value
	}
	d["samples"] = list
	d["avg"] = float64(sum) / float64(len(samples))
	d["avg_rate"] = float64(samples[0].Value-samples[len(samples)-1].Value) / s.age.Seconds()
	return d
}

// messageStats adds the groups of which anything happened.
func messageStats(o object, v history.View, s span, groups ...[]broker.Metric) {
	stats := object{}
	for _, g := range groups {
		for _, m := range g {
			if m.Value != 0 {
				rated(stats, v, s, g)
				break
			}
		}
	}
	if len(stats) > 0 {
		o["message_stats"] = stats
	}
}

// past gives f the history of an object.
func (c *call) past(k history.Key, f func(history.View)) { c.b.History().Object(k, f) }
