package request

import (
	"strings"

	"github.com/distribution/reference"

	"taffrail.dev/webhook/decision"
)

// parseImage parses an image reference as container runtimes do, which do not confuse the port
// of a registry with a tag.
func parseImage(text string) decision.Image {
	if image, ok := plainImage(text); ok {
		return image
	}
	return referenceImage(text)
}

// referenceImage decides what a reference is; plainImage has to agree.
func referenceImage(text string) decision.Image {
	image := decision.Image{Reference: text}
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return image
	}
	image.Valid = true
	image.Registry, image.Repository = reference.Domain(named), reference.Path(named)
	if tagged, ok := named.(reference.Tagged); ok {
		image.Tag = tagged.Tag()
	}
	if digested, ok := named.(reference.Digested); ok {
		image.Digest = digested.Digest().String()
	}
	return image
}

const (
	defaultRegistry = "docker.io"
	// maxPlainImage is less than any limit of the length of a part.
	maxPlainImage = 200
	digestPrefix  = "sha256:"
	digestLength  = len(digestPrefix) + 64
)

// plainImage parses a reference of the usual form, such as registry.example.com:5000/team/app:1.2,
// without the regular expressions of the library. ok is false for any that needs a second look.
func plainImage(text string) (image decision.Image, ok bool) {
	image = decision.Image{Reference: text, Valid: true}
	name, digest, digested := strings.Cut(text, "@")
	if len(name) > maxPlainImage || digested && !isDigest(digest) {
		return image, false
	}
	image.Digest = digest
	slash := strings.LastIndexByte(name, '/')
	if colon := strings.IndexByte(name[slash+1:], ':'); colon >= 0 {
		colon += slash + 1
		if image.Tag = name[colon+1:]; !isTag(image.Tag) {
			return image, false
		}
		name = name[:colon]
	}
	image.Registry, image.Repository = defaultRegistry, name
	registry, rest, several := strings.Cut(name, "/")
	switch {
	case !several && len(name) == digestLength-len(digestPrefix):
		return image, false // a digest alone is no name
	case !several:
		image.Repository = "library/" + name
	case registry == defaultRegistry || registry == "index.docker.io":
		return image, false // names without an organization are expanded
	case registry == "localhost" || strings.ContainsAny(registry, ".:"):
		image.Registry, image.Repository, name = registry, rest, rest
		if !isRegistry(registry) {
			return image, false
		}
	}
	return image, isRepository(name)
}

// isDigest reports whether a text is a SHA-256 digest.
func isDigest(text string) bool {
	return len(text) == digestLength && strings.HasPrefix(text, digestPrefix) &&
		!strings.ContainsFunc(text[len(digestPrefix):], func(c rune) bool { return !('0' <= c && c <= '9' || 'a' <= c && c <= 'f') })
}

func isTag(text string) bool {
	if text == "" || len(text) > 128 {
		return false
	}
	for i := range len(text) {
		c := text[i]
		if !isLowerOrDigit(c) && !('A' <= c && c <= 'Z') && c != '_' && (i == 0 || c != '.' && c != '-') {
			return false
		}
	}
	return true
}

// isRegistry reports whether a text is a host name in lower case, with a port or without.
func isRegistry(text string) bool {
	host, port, hasPort := strings.Cut(text, ":")
	if hasPort && (port == "" || strings.Trim(port, "0123456789") != "") {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if !isWord(label, func(between string) bool { return strings.Trim(between, "-") == "" }) {
			return false
		}
	}
	return true
}

// isRepository reports whether a text is a path of a registry.
func isRepository(text string) bool {
	for component := range strings.SplitSeq(text, "/") {
		if !isWord(component, func(between string) bool {
			return between == "." || between == "_" || between == "__" || strings.Trim(between, "-") == ""
		}) {
			return false
		}
	}
	return true
}

// isWord reports whether a text begins and ends with a lower-case letter or a digit, and has
// only what may be between two of them.
func isWord(text string, mayBeBetween func(string) bool) bool {
	last := -1
	for i := range len(text) {
		if !isLowerOrDigit(text[i]) {
			continue
		}
		if last+1 < i && (last < 0 || !mayBeBetween(text[last+1:i])) {
			return false
		}
		last = i
	}
	return text != "" && last == len(text)-1
}

func isLowerOrDigit(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' }
