package pipeline

import "maps"

const someDigest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// choices builds an object from bytes, one per choice; once they are used up, the first alternative is taken.
// Most choices are ordinary, so that an object rarely has more than one odd value.
type choices struct {
	data []byte
	text string
}

func (c *choices) below(n int) int {
	if len(c.data) == 0 {
		return 0
	}
	chosen := int(c.data[0])
	c.data = c.data[1:]
	return chosen % n
}

// absent omits a field.
type absent struct{}

func (c *choices) of(values ...any) any { return values[c.below(len(values))] }

// fields returns a map without the absent pairs.
func fields(pairs map[string]any) map[string]any {
	maps.DeleteFunc(pairs, func(_ string, value any) bool { return value == absent{} })
	return pairs
}

// rarely returns the ordinary value most of the time.
func (c *choices) rarely(ordinary any, odd ...any) any {
	if c.below(16) != 15 {
		return ordinary
	}
	return c.of(odd...)
}

func (c *choices) object() map[string]any {
	kind := podKinds()[c.below(len(podKinds()))]
	versions := map[string]string{"Pod": "v1", "ReplicationController": "v1", "Job": "batch/v1", "CronJob": "batch/v1"}
	version, ok := versions[kind]
	if !ok {
		version = "apps/v1"
	}
	wrap := func(name string, inner any) any {
		return c.rarely(map[string]any{name: inner}, map[string]any{}, nil, 7.5, []any{inner}, c.text)
	}
	spec := c.podSpec()
	if kind != "Pod" {
		spec = wrap("template", wrap("spec", spec))
	}
	if kind == "CronJob" {
		spec = wrap("jobTemplate", wrap("spec", spec))
	}
	return fields(map[string]any{
		"apiVersion": version, "kind": kind,
		"metadata": c.of(absent{}, map[string]any{"name": "web"}, nil),
		"spec":     c.rarely(spec, absent{}, nil, "x", []any{}),
	})
}

func (c *choices) podSpec() any {
	return fields(map[string]any{
		"containers":          c.containers(),
		"initContainers":      c.containers(),
		"ephemeralContainers": c.containers(),
		"restartPolicy":       c.of(absent{}, "Always", "Never", "OnFailure", nil, int64(7)),
		"resources":           c.rarely(absent{}, c.resources()),
	})
}

func (c *choices) containers() any {
	list := make([]any, c.below(4))
	for i := range list {
		list[i] = c.rarely(c.container(), nil, "x", []any{})
	}
	return c.rarely(list, absent{}, nil, map[string]any{}, "x")
}

func (c *choices) container() any {
	return fields(map[string]any{
		"name":           c.of("app", "web", "a.b", "", nil, int64(7), absent{}, c.text),
		"image":          c.image(),
		"restartPolicy":  c.of(absent{}, "Always", "Never", nil, int64(7), "always"),
		"resources":      c.resources(),
		"readinessProbe": c.probe(),
		"livenessProbe":  c.probe(),
	})
}

func (c *choices) image() any {
	registry := c.of("", "", "docker.io/", "host:5000/", "localhost/", "[::1]:80/", "EXAMPLE/", "a.b/", "-/").(string)
	path := c.of("nginx", "library/nginx", "team/app", "a__b", "a--b", "a..b", "Nginx", "").(string)
	tag := c.of("", ":1", ":latest", ":LaTeSt", ":1.2.3-x_y", ":", ":-1", ":latest.1").(string)
	digest := c.of("", "", "", "@"+someDigest, "@sha256:abc", "@", "@md5:d41d8cd98f00b204e9800998ecf8427e").(string)
	return c.of(registry+path+tag+digest, c.text, registry+c.text+tag, path+c.text+digest, absent{}, nil, int64(7), []any{"nginx:1"})
}

func (c *choices) resources() any {
	list := func() any {
		return c.of(fields(map[string]any{"cpu": c.quantity(), "memory": c.quantity(), "example.com/gpu": c.rarely(absent{}, "1", c.text)}),
			absent{}, nil, map[string]any{}, map[string]any{"CPU": "1"}, c.rarely(absent{}, []any{"1"}, "cpu", int64(1)))
	}
	return c.rarely(fields(map[string]any{"requests": list(), "limits": list()}), absent{}, nil, map[string]any{}, "x", []any{})
}

func (c *choices) quantity() any {
	return c.of("100m", absent{}, "1Gi", "0", nil, int64(1), int64(0), 0.5, "1e3", "5E-1", "1Ei", "0.000", "-1", "1n", ".5Ki", "0Mi",
		c.rarely("2", c.text, "", "1 Gi", "x", true, map[string]any{}, []any{"1"}, int64(-3), 1e21))
}

func (c *choices) probe() any {
	handler := c.of("httpGet", "tcpSocket", "exec", "grpc", "HTTPGet", "sleep").(string)
	return c.of(map[string]any{handler: map[string]any{"port": int64(80)}}, absent{}, nil, map[string]any{}, map[string]any{"periodSeconds": int64(5)},
		map[string]any{handler: map[string]any{}}, map[string]any{handler: nil}, map[string]any{handler: c.text}, map[string]any{handler: []any{}}, c.text, []any{}, int64(1))
}
