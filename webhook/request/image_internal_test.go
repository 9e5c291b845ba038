package request

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// sameImage holds that a reference means what the library says it means, whichever way it is read.
func sameImage(t *testing.T, text string) {
	t.Helper()
	if diff := cmp.Diff(referenceImage(text), parseImage(text)); diff != "" {
		t.Fatalf("%q:\n%s", text, diff)
	}
}

const sha256Digest = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestUsualImagesNeedNoLibrary(t *testing.T) {
	for _, text := range []string{
		"nginx", "nginx:1.25", "team/app:v1", "ghcr.io/team/app", "registry.example.com:5000/a/b/c:1.2.3-rc.1_x", "localhost/app:1", "localhost:5000/app", "10.0.0.1:443/app:1",
		"123456789012.dkr.ecr.ap-northeast-2.amazonaws.com/app:1.0.0", "a--b/c__d.e_f:X", "nginx" + sha256Digest, "quay.io/a/b:1" + sha256Digest,
	} {
		if image, ok := plainImage(text); !ok {
			t.Errorf("%s: got %+v", text, image)
		}
		sameImage(t, text)
	}
}

func TestImagesMeanWhatTheLibrarySays(t *testing.T) {
	digits := strings.Repeat("0123456789abcdef", 4)
	for _, text := range []string{
		"", "/", "a/", "/a", "a//b", ":", "a:", ":a", "@", "a@", "a@b", digits, digits[1:], digits + ":1", digits + "/a", "a/" + digits, "docker.io/a", "docker.io/a/b:1",
		"docker.io/a:1", "index.docker.io/a", "index.docker.io/a/b", "docker.io", "docker.io:443/a", "a.b/c", "a_b.c/d", "a-.b/c", "-a.b/c", "a..b/c", "a.b:/c", "a.b:x/c", "a.b:1:2/c", "Foo/bar", "Foo.io/bar",
		"foo.io/Bar", "foo:Bar", "foo:.a", "foo:-a", "foo:_a", "foo:a+b", "foo:" + strings.Repeat("a", 128), "foo:" + strings.Repeat("a", 129), "a._b", "a___b", "a.-b", "a-.b", "a---b", "_a", "a_", "a.",
		"[::1]:5000/a", "[::1]/a", "é", "a b", "a\n", "localhost", "localhost:1", "a/b@sha256:" + digits[1:], "a/b@sha256:" + strings.ToUpper(digits), "a/b@sha512:" + digits, "a/b@sha512:" + digits + digits,
		"a@b@c", "a" + sha256Digest + "x", "a" + sha256Digest + sha256Digest, "a:1:2", "a:1/b", "a.b/c:1/d", strings.Repeat("a", 255), strings.Repeat("a", 256), strings.Repeat("a/", 127) + "a",
		"x.io/" + strings.Repeat("a", 255), "x.io/" + strings.Repeat("a", 256), strings.Repeat("a", maxPlainImage) + ":1", "sha256:" + digits,
	} {
		sameImage(t, text)
		sameImage(t, text+":v1")
		sameImage(t, text+sha256Digest)
		sameImage(t, text+":v1"+sha256Digest)
		sameImage(t, "example.com/"+text)
	}
	random := rand.New(rand.NewPCG(3, 4))
	parts := []string{"a", "b1", "9", ".", "-", "_", "/", ":", "@", "A", "docker.io", "localhost", "library", "example.com", "5000", "sha256:", digits, "é", " "}
	for range 50_000 {
		var text strings.Builder
		for range 1 + random.IntN(9) {
			text.WriteString(parts[random.IntN(len(parts))])
		}
		sameImage(t, text.String())
	}
}

// FuzzImage holds that any reference means what the library says it means.
func FuzzImage(f *testing.F) {
	f.Add("registry.example.com:5000/a__b/c-d.e:1.2_3-x" + sha256Digest)
	f.Fuzz(sameImage)
}
