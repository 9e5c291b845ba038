package pipeline

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"taffrail.dev/policies"
	"taffrail.dev/test/corpus"
	"taffrail.dev/webhook/decision"
	"taffrail.dev/webhook/rego"
	"taffrail.dev/webhook/request"
)

// The oracles below are second opinions on three policies, in plain Go, written from the policies' METADATA.
// They share no code with what they check: they find the containers, parse images and quantities, and apply API
// defaults on their own.

// place identifies a finding by container and path.
type place struct{ container, path string }

// oracle returns the places where a policy must have a finding.
type oracle func(*podReading) []place

func oracles() map[string]oracle {
	return map[string]oracle{"image-tag": imageTag, "require-probes": requireProbes, "require-resources": requireResources}
}

// imageTag requires that every container's image has a tag other than latest, or a digest.
func imageTag(pod *podReading) (places []place) {
	for _, c := range pod.containers {
		text, _ := c.spec["image"].(string)
		image := readImage(text)
		if image.digest == "" && (image.tag == "" || strings.EqualFold(image.tag, "latest")) {
			places = append(places, place{c.name, c.path + ".image"})
		}
	}
	return places
}

// requireProbes requires that every app container and sidecar of a long-running workload has a readinessProbe
// and a livenessProbe, each with a handler.
func requireProbes(pod *podReading) (places []place) {
	if !pod.longRunning {
		return nil
	}
	for _, c := range pod.containers {
		if c.kind != "app" && c.kind != "sidecar" {
			continue
		}
		for _, name := range []string{"readinessProbe", "livenessProbe"} {
			probe, _ := c.spec[name].(map[string]any)
			if !slices.ContainsFunc([]string{"httpGet", "tcpSocket", "exec", "grpc"}, func(handler string) bool {
				_, ok := probe[handler].(map[string]any)
				return ok
			}) {
				places = append(places, place{c.name, c.path + "." + name})
			}
		}
	}
	return places
}

// requireResources requires that every app, init and sidecar container has requests and limits for CPU and
// memory, of its own or of the Pod. A limit substitutes for a missing request. Zero does not count, and neither
// do amounts of memory below 1 KiB.
func requireResources(pod *podReading) (places []place) {
	for _, field := range tooFewBytes(pod.spec, false) {
		places = append(places, place{"", pod.path + "." + field})
	}
	volumes, _ := pod.spec["volumes"].([]any)
	for i, item := range volumes {
		volume, _ := item.(map[string]any)
		directory, _ := volume["emptyDir"].(map[string]any)
		if isTooFewBytes(directory["sizeLimit"]) {
			places = append(places, place{"", fmt.Sprintf("%s.volumes[%d].emptyDir.sizeLimit", pod.path, i)})
		}
	}
	for _, c := range pod.containers {
		if c.kind == "ephemeral" {
			continue
		}
		for _, field := range tooFewBytes(c.spec, pod.bare) {
			places = append(places, place{c.name, c.path + "." + field})
		}
		for _, resource := range []string{"cpu", "memory"} {
			limit, request := amount(c.spec, "limits", resource), amount(c.spec, "requests", resource)
			if request == nil {
				request = limit
			}
			podLimit, podRequest := some(amount(pod.spec, "limits", resource)), some(amount(pod.spec, "requests", resource))
			if !some(request) && !podRequest && !podLimit {
				places = append(places, place{c.name, c.path + ".resources.requests." + resource})
			}
			if !some(limit) && !podLimit {
				places = append(places, place{c.name, c.path + ".resources.limits." + resource})
			}
		}
	}
	return places
}

// lone is a single policy with its default parameters.
type lone struct {
	id       string
	programs map[string]*rego.Program
}

func alone(tb testing.TB, id string) lone {
	tb.Helper()
	catalog, err := rego.Load(policies.FS)
	if err != nil {
		tb.Fatal(err)
	}
	policy, ok := catalog.Policy(id)
	if !ok {
		tb.Fatalf("there is no policy %s", id)
	}
	parameters, bad := policy.CheckParameters(nil, nil)
	if len(bad) > 0 {
		tb.Fatal(bad.ToAggregate())
	}
	program, err := rego.Compile(catalog, []rego.Instance{{Policy: id, Parameters: parameters}})
	if err != nil {
		tb.Fatal(err)
	}
	return lone{id, map[string]*rego.Program{"indexed": program, "not indexed": program.WithoutRuleIndexing()}}
}

// agree compares the policy with its oracle. If the oracle reports that no API server would decode the object,
// the object must be refused.
func (l lone) agree(t *testing.T, object map[string]any) {
	t.Helper()
	pod := readPod(object)
	r, err := request.Manifest(object, "shop")
	if (pod == nil) != (err != nil) {
		t.Fatalf("the oracle reads %+v, Taffrail says %v, of\n%v", pod, err, object)
	}
	if err != nil {
		return
	}
	compareImages(t, r.Workload.Containers)
	want := map[place]bool{}
	for _, p := range oracles()[l.id](pod) {
		want[p] = true
	}
	enrich(r)
	for name, program := range l.programs {
		results, err := program.Evaluate(t.Context(), r, []int{0}, rego.Deny)
		if err != nil || results[0].Err != nil {
			t.Fatalf("%s: %v %v, of\n%v", name, err, results, object)
		}
		got := map[place]bool{}
		for _, v := range results[0].Violations {
			got[place{v.Container, v.Path}] = true
		}
		if !maps.Equal(want, got) {
			t.Fatalf("%s, %s: the oracle wants %v, the policy says %v, of\n%v", l.id, name, want, got, object)
		}
	}
}

func compareImages(t *testing.T, containers []decision.Container) {
	t.Helper()
	for i := range containers {
		got := &containers[i].Image
		want := readImage(got.Reference)
		if diff := gocmp.Diff(want, imageReading{got.Registry, got.Repository, got.Tag, got.Digest}, gocmp.AllowUnexported(imageReading{})); diff != "" {
			t.Fatalf("%q:\n%s", got.Reference, diff)
		}
	}
}

func TestOraclesAgreeOnWhatTheRepositoryHolds(t *testing.T) {
	for id := range oracles() {
		policy := alone(t, id)
		count := 0
		for _, object := range corpus.Objects(t, "../..") {
			if kind, _ := object["kind"].(string); slices.Contains(podKinds(), kind) {
				count++
				policy.agree(t, object)
			}
		}
		if count < 30 {
			t.Errorf("%s: only %d objects with Pods", id, count)
		}
	}
}

func FuzzImageTag(f *testing.F) {
	for i, image := range []string{
		"nginx", "nginx:1.27.3", "nginx:latest", "nginx:LATEST", "host:5000/app", "host:5000/app:1", "[::1]:5000/a:b", "localhost/a", "a/b/c:v1@" + someDigest,
		"nginx@" + someDigest, "nginx@sha256:abc", "Nginx:1", "ngìnx:1", "", " ", "a b:1", "nginx:", ":1", "@", "a//b:1", "a__b:1", "a___b:1", "-a:1", "docker.io/nginx:1",
		"nginx:" + strings.Repeat("x", 129), strings.Repeat("a", 64) + ":1", strings.Repeat("a/", 130) + "a:1", "nginx:1\n", "index.docker.io/x:1",
	} {
		f.Add([]byte{byte(i), 0, 1, 0, 4}, image)
	}
	fuzzAlone(f, "image-tag")
}

func FuzzRequireProbes(f *testing.F) {
	f.Add([]byte{0, 0, 3, 2, 2}, "Always")
	fuzzAlone(f, "require-probes")
}

func FuzzRequireResources(f *testing.F) {
	for i, quantity := range []string{
		"100m", "1", "1.5", ".5", "5.", "0", "-1", "+1", "1n", "1u", "0.1n", "1k", "1M", "1Ki", "1Mi", "1E", "1Ei", "1e3", "1E3", "1e-3", "1e", "1ki", "1 Gi", "",
		"0x10", "1_000", "١", "99999999999999999999Ei", "1e99", "1e100", "1e-100000000", "NaN", "Inf", "-0", "0e3", ".", "1.2.3",
	} {
		f.Add([]byte{byte(i), 0, 1, 0, 4}, quantity)
	}
	fuzzAlone(f, "require-resources")
}

// fuzzAlone builds objects from bytes and puts text unchanged into some of their fields.
func fuzzAlone(f *testing.F, id string) {
	f.Helper()
	for seed := range 64 {
		data := make([]byte, 96)
		for i := range data {
			data[i] = byte((seed*31 + i*i*7 + i*seed*13) % 251)
		}
		f.Add(data, "1")
	}
	policy := alone(f, id)
	f.Fuzz(func(t *testing.T, data []byte, text string) {
		// JSON cannot contain any other text.
		policy.agree(t, (&choices{data: data, text: strings.ToValidUTF8(text, "\uFFFD")}).object())
	})
}

var (
	tagWords    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\z`)
	digestWords = regexp.MustCompile(`^(sha256:[0-9a-f]{64}|sha384:[0-9a-f]{96}|sha512:[0-9a-f]{128})\z`)
	hostWords   = regexp.MustCompile(`^(\[[0-9a-fA-F:]+\]|[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*)(:[0-9]+)?\z`)
	partWords   = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*\z`)
	idWords     = regexp.MustCompile(`^[0-9a-f]{64}\z`)
)

// imageReading is empty if no runtime would accept the text as an image.
type imageReading struct{ registry, repository, tag, digest string }

// readImage splits a reference from its end: the digest, the tag after the last slash, and a registry that
// looks like a host.
func readImage(text string) imageReading {
	if idWords.MatchString(text) { // the ID of an image
		return imageReading{}
	}
	rest, digest, digested := strings.Cut(text, "@")
	if digested && !digestWords.MatchString(digest) {
		return imageReading{}
	}
	tag := ""
	if colon := strings.LastIndexByte(rest, ':'); colon > strings.LastIndexByte(rest, '/') {
		rest, tag = rest[:colon], rest[colon+1:]
		if !tagWords.MatchString(tag) {
			return imageReading{}
		}
	}
	registry, repository, ok := strings.Cut(rest, "/")
	if !ok || !strings.ContainsAny(registry, ".:") && registry != "localhost" && registry == strings.ToLower(registry) {
		registry, repository = "docker.io", rest
	}
	if registry == "index.docker.io" {
		registry = "docker.io"
	}
	if registry == "docker.io" && !strings.Contains(repository, "/") {
		repository = "library/" + repository
	}
	if !hostWords.MatchString(registry) || len(repository) > 255 {
		return imageReading{}
	}
	for part := range strings.SplitSeq(repository, "/") {
		if !partWords.MatchString(part) {
			return imageReading{}
		}
	}
	return imageReading{registry, repository, tag, digest}
}
