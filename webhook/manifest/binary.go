package manifest

import (
	"bytes"
	"unicode/utf8"
)

// sniffLen is the number of bytes at the start of a file that are examined to see whether it is
// text. Git examines as many.
const sniffLen = 8000

// checkText rejects a file that is not text before it is split into documents: otherwise the
// parser would report every part of it that resembles one.
func checkText(head []byte) error {
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		return notObject(Binary, "is compressed: unpack it first, for example gunzip -c FILE | taffrail check -, or render a packaged chart: helm template FILE")
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return notObject(Binary, "is an archive: unpack it and name the folder")
	}
	// UTF-16 contains zero bytes. The YAML parser has a better error for it.
	isUTF16 := bytes.HasPrefix(head, []byte{0xff, 0xfe}) || bytes.HasPrefix(head, []byte{0xfe, 0xff})
	if !isUTF16 && (bytes.IndexByte(head, 0) >= 0 || !isUTF8(head) && hasControl(head)) {
		return notObject(Binary, "is a binary file, not YAML or JSON")
	}
	return nil
}

// isUTF8 tolerates a character that is cut off at the end of head.
func isUTF8(head []byte) bool {
	for cut := range min(utf8.UTFMax, len(head)+1) {
		if utf8.Valid(head[:len(head)-cut]) {
			return true
		}
	}
	return false
}

func hasControl(head []byte) bool {
	return bytes.ContainsFunc(head, func(r rune) bool { return r < ' ' && r != '\t' && r != '\n' && r != '\r' })
}
