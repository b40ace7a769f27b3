package api

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"nubo/internal/fault"
	"nubo/internal/httpx"
	"nubo/placement"
)

// parseResources reads "VCPU:2,MEMORY_MB:1024".
func parseResources(s string) (map[string]int64, error) {
	badly := func(got string) error {
		return fault.Invalidf("Badly formed resources parameter. Expected resources query string parameter in form: "+
			"?resources=VCPU:2,MEMORY_MB:1024. Got: %s.", got)
	}
	if strings.TrimSpace(s) == "" {
		return nil, badly("empty string")
	}
	out := map[string]int64{}
	for _, one := range strings.Split(s, ",") {
		class, text, ok := strings.Cut(one, ":")
		if !ok || strings.Contains(text, ":") {
			return nil, badly(one)
		}
		amount, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
		if err != nil || amount > placement.MaxInt {
			return nil, fault.Invalidf("Requested resource %s expected positive integer amount. Got: %s.", class, text)
		}
		if amount < 1 {
			return nil, fault.Invalidf("Requested resource %s requires amount >= 1. Got: %d.", class, amount)
		}
		out[class] = amount
	}
	return out, nil
}

// filterRules are what microversions allow in required and member_of.
type filterRules struct {
	forbidden     bool // required=!TRAIT
	anyTrait      bool // required=in:A,B, and required more than once
	memberTwice   bool
	forbiddenAggs bool // member_of=!UUID
}

func listRules(r *http.Request) filterRules {
	return filterRules{since(r, 22), since(r, 39), since(r, 24), since(r, 32)}
}

// parseFilter reads the parameters required and member_of of one group.
func parseFilter(q url.Values, suffix string, rules filterRules) (placement.Filter, error) {
	var f placement.Filter
	required := q["required"+suffix]
	if len(required) > 1 && !rules.anyTrait {
		required = required[len(required)-1:]
	}
	for _, s := range required {
		if err := parseTraits(s, rules, &f); err != nil {
			return f, err
		}
	}
	members := q["member_of"+suffix]
	if len(members) > 1 && !rules.memberTwice {
		return f, fault.Invalidf("Multiple member_of%s parameters are not supported", suffix)
	}
	for _, s := range members {
		if err := parseMemberOf(s, rules, &f); err != nil {
			return f, err
		}
	}
	return f, nil
}

// parseTraits reads "A,!B" or "in:A,B".
func parseTraits(s string, rules filterRules, f *placement.Filter) error {
	if list, ok := strings.CutPrefix(s, "in:"); ok {
		if !rules.anyTrait {
			return fault.Invalidf("Invalid query string parameters: The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC' only supported since microversion 1.39. Got: %s", s)
		}
		set := split(list)
		for _, t := range set {
			if t == "" {
				return fault.Invalidf("Invalid query string parameters: Expected 'required' parameter value of the form: in:HW_CPU_X86_VMX,CUSTOM_MAGIC. Got an empty trait in: %s", s)
			}
			if strings.HasPrefix(t, "!") {
				return fault.Invalidf("Invalid query string parameters: The format 'in:HW_CPU_X86_VMX,CUSTOM_MAGIC' does not support forbidden traits. Got: %s", s)
			}
		}
		f.Required = append(f.Required, set)
		return nil
	}
	for _, t := range split(s) {
		name := strings.TrimLeft(t, "!")
		if name == "" || name != t && !rules.forbidden {
			form := "HW_CPU_X86_VMX,CUSTOM_MAGIC"
			if rules.forbidden {
				form = "HW_CPU_X86_VMX,!CUSTOM_MAGIC"
			}
			return fault.Invalidf("Invalid query string parameters: Expected 'required' parameter value of the form: %s. Got: %s", form, s)
		}
		if name != t {
			f.Forbidden = append(f.Forbidden, name)
		} else {
			f.Required = append(f.Required, []string{name})
		}
	}
	return nil
}

// parseMemberOf reads "UUID", "in:UUID,UUID" or either after "!".
func parseMemberOf(s string, rules filterRules, f *placement.Filter) error {
	if strings.Contains(s, ",") && !strings.HasPrefix(strings.TrimPrefix(s, "!"), "in:") {
		return fault.Invalidf("Multiple values for 'member_of' must be prefixed with the 'in:' or '!in:' keyword using the valid microversion. Got: %s", s)
	}
	value, not := strings.CutPrefix(s, "!")
	if not && !rules.forbiddenAggs {
		return fault.Invalidf("Forbidden member_of parameters are not supported in the specified microversion. Got: %s", s)
	}
	list, ok := strings.CutPrefix(value, "in:")
	set := []string{value}
	if ok {
		set = split(list)
	}
	for i, uuid := range set {
		if !httpx.IsUUID(uuid) {
			return fault.Invalidf("Invalid query string parameters: Expected 'member_of' parameter to contain valid UUID(s). Got: %s", uuid)
		}
		set[i] = dashed(uuid)
	}
	if not {
		f.ForbiddenAggs = append(f.ForbiddenAggs, set...)
	} else {
		f.MemberOf = append(f.MemberOf, set)
	}
	return nil
}

// parseInTree reads the parameter in_tree of one group; "" if there is none.
func parseInTree(q url.Values, suffix string) (string, error) {
	if !q.Has("in_tree" + suffix) {
		return "", nil
	}
	uuid := strings.TrimSpace(q.Get("in_tree" + suffix))
	if !httpx.IsUUID(uuid) {
		return "", fault.Invalidf("Invalid query string parameters: Expected 'in_tree' parameter to be a format of uuid. Got: %s", uuid)
	}
	return dashed(uuid), nil
}

func split(s string) []string {
	parts := strings.Split(s, ",")
	for i := range parts {
		parts[i] = strings.TrimSpace(parts[i])
	}
	return parts
}
