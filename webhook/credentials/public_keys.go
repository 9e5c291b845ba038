package credentials

import (
	"encoding/base64"
	"encoding/binary"
	"regexp"
	"strings"
)

// Public reports whether a text consists only of public material: certificates, public keys and parameters.
func Public(text string) bool {
	rest := strings.TrimSpace(text)
	if strings.HasPrefix(rest, "-----BEGIN ") {
		return publicPEM(rest)
	}
	if rest == "" {
		return false
	}
	for line := range strings.SplitSeq(rest, "\n") {
		line = strings.TrimSpace(line)
		if line != "" && !publicSSH(line) {
			return false
		}
	}
	return true
}

var (
	block = re(`^-----BEGIN ([A-Z0-9 .]{2,40})-----\s+([A-Za-z0-9+/=\s]+?)\s*-----END ([A-Z0-9 .]{2,40})-----\s*`)
	armor = re(`^-----BEGIN PGP PUBLIC KEY BLOCK-----[ \t]*\r?\n(?:(?:Version|Comment|Hash): [A-Za-z0-9 ()./@:<>+-]{1,80}\r?\n)*\s*([A-Za-z0-9+/=\s]+?)\s*(?:=[A-Za-z0-9+/]{4}\s+)?-----END PGP PUBLIC KEY BLOCK-----\s*`)
)

// public lists the PEM labels of public material, each with how its DER begins: an ASN.1 sequence of sequences,
// or a sequence of numbers. A private key begins like the latter, except for its version.
var public = map[string]*regexp.Regexp{
	"CERTIFICATE": sequences, "TRUSTED CERTIFICATE": sequences, "X509 CERTIFICATE": sequences, "PUBLIC KEY": sequences,
	"CERTIFICATE REQUEST": sequences, "NEW CERTIFICATE REQUEST": sequences, "X509 CRL": sequences,
	"DH PARAMETERS": numbers, "X9.42 DH PARAMETERS": numbers, "DSA PARAMETERS": numbers, "RSA PUBLIC KEY": numbers,
	"EC PARAMETERS": identifier,
}

var (
	// The base64 of an ASN.1 sequence of sequences begins like this.
	sequences  = re(`^(?:MI|M[A-H][A-Za-z0-9+/]w)`)
	numbers    = re(`^M`)
	identifier = re(`^Bg`)
)

func publicPEM(rest string) bool {
	for rest != "" {
		if groups := armor.FindStringSubmatch(rest); groups != nil {
			body := decoded(groups[1])
			// The tag of a public key packet, in the old format or the new one.
			if len(body) < 20 || body[0]&0xfc != 0x98 && body[0] != 0xc6 || containsText(body) {
				return false
			}
			rest = rest[len(groups[0]):]
			continue
		}
		groups := block.FindStringSubmatch(rest)
		if len(groups) == 0 || groups[1] != groups[3] {
			return false
		}
		begins, ok := public[groups[1]]
		if !ok || !begins.MatchString(groups[2]) || begins == numbers && !publicNumbers(decoded(groups[2])) {
			return false
		}
		rest = rest[len(groups[0]):]
	}
	return true
}

// publicNumbers reports whether a sequence begins with a large number. A private key begins with its version, a
// small number.
func publicNumbers(der []byte) bool {
	if len(der) < 12 || der[0] != 0x30 || containsText(der) {
		return false
	}
	at := 2
	if der[1] > 0x80 {
		at += int(der[1] & 0x7f)
	}
	return at+1 < len(der) && der[at] == 0x02 && der[at+1] > 8
}

var sshKey = re(`^(?:@(?:cert-authority|revoked) )?(?:(?:[a-z-]+="[A-Za-z0-9 .,:/*_-]{0,80}"|no-[a-z-]+|restrict|cert-authority|[A-Za-z0-9.*?,:\[\]_-]{1,200}|\|1\|[A-Za-z0-9+/=]{28}\|[A-Za-z0-9+/=]{28})[ ,])?((?:ssh|ecdsa|sk)-[a-z0-9@.-]+) ([A-Za-z0-9+/]{30,}={0,2})(?: [A-Za-z0-9 @._:/+-]{0,80})?$`)

// publicSSH reports whether a line is from id_rsa.pub, authorized_keys or known_hosts: the base64 itself names
// the type of the key.
func publicSSH(line string) bool {
	if strings.HasPrefix(line, "#") {
		return len(line) < 80 && !strings.ContainsAny(line, "=")
	}
	groups := sshKey.FindStringSubmatch(line)
	if groups == nil {
		return false
	}
	key := decoded(groups[2])
	if len(key) < 4 {
		return false
	}
	n := binary.BigEndian.Uint32(key)
	return uint64(n)+4 <= uint64(len(key)) && string(key[4:4+n]) == groups[1] && !containsText(key[4+n:])
}

func decoded(text string) []byte {
	text = strings.Join(strings.Fields(text), "")
	if all, err := base64.StdEncoding.DecodeString(text); err == nil {
		return all
	}
	all, _ := base64.RawStdEncoding.DecodeString(text[:len(text)/4*4])
	return all
}

var textRun = re(`[\t\r\n -~]{24}`)

// containsText reports whether bytes contain text. At most 1 in 100,000 random ones appears to.
func containsText(all []byte) bool { return textRun.Match(all) }
