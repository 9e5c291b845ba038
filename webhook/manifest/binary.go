package manifest

import (
	"bytes"
	"unicode/utf8"
)

// sniffed is how much of a file tells whether it is text, in bytes. Git looks as far.
const sniffed = 8000

// checkText refuses a file that is no text as a whole: the parser would object to every
// piece of it that looks like a document.
func checkText(head []byte) error {
	switch {
	case bytes.HasPrefix(head, []byte("\x1f\x8b")):
		return notObject(Binary, "is compressed: unpack it first, as in gunzip -c FILE | taffrail check -; a packaged chart is rendered by helm template FILE")
	case bytes.HasPrefix(head, []byte("PK\x03\x04")):
		return notObject(Binary, "is an archive: unpack it and name the folder")
	}
	// UTF-16 is full of zeros, and the parser says what to do about it.
	isUTF16 := bytes.HasPrefix(head, []byte{0xff, 0xfe}) || bytes.HasPrefix(head, []byte{0xfe, 0xff})
	if !isUTF16 && (bytes.IndexByte(head, 0) >= 0 || !isUTF8(head) && hasControl(head)) {
		return notObject(Binary, "is a binary file, not YAML or JSON")
	}
	return nil
}

// isUTF8 allows for a character that is cut at the end of the head.
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
