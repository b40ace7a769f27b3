package simulated

import (
	"image"

	"golang.org/x/image/font/basicfont"
)

// A screen is text in cells of a fixed size.
const (
	columns, rows         = 80, 25
	cellWidth, cellHeight = 7, 13
	screenWidth           = columns * cellWidth
	screenHeight          = rows * cellHeight
)

// screen is what a guest shows: a terminal that knows letters, carriage
// return, line feed and backspace.
type screen struct {
	cells    [rows][columns]byte
	row, col int
	// changed are the rows to be drawn anew: from, and up to but not with.
	from, to int
}

func newScreen() *screen {
	s := &screen{to: rows}
	for y := range s.cells {
		s.clear(y)
	}
	return s
}

func (s *screen) clear(y int) {
	for x := range s.cells[y] {
		s.cells[y][x] = ' '
	}
}

// print shows text.
func (s *screen) print(text string) {
	for _, b := range []byte(text) {
		s.touch(s.row)
		switch b {
		case '\r':
			s.col = 0
		case '\n':
			s.feed()
		case '\b':
			s.col = max(0, s.col-1)
		default:
			if s.col == columns {
				s.col = 0
				s.feed()
			}
			s.cells[s.row][s.col] = b
			s.col++
		}
		s.touch(s.row)
	}
}

// feed goes to the next line; the last one makes the others move up.
func (s *screen) feed() {
	if s.row < rows-1 {
		s.row++
		return
	}
	copy(s.cells[:], s.cells[1:])
	s.clear(rows - 1)
	s.from, s.to = 0, rows
}

func (s *screen) touch(y int) {
	if s.from == s.to {
		s.from, s.to = y, y+1
	}
	s.from, s.to = min(s.from, y), max(s.to, y+1)
}

// line gives a row as text.
func (s *screen) line(y int) string { return string(s.cells[y][:]) }

// lit reports whether a pixel is part of a letter, or of the cursor.
func (s *screen) lit(x, y int) bool {
	row, col := y/cellHeight, x/cellWidth
	if row == s.row && col == s.col && y%cellHeight >= cellHeight-2 {
		return true
	}
	return glyph(s.cells[row][col], x%cellWidth, y%cellHeight)
}

// font is the letters' shapes, one below the other.
var font = basicfont.Face7x13

// glyph reports whether a pixel of a letter's cell is part of it.
func glyph(b byte, x, y int) bool {
	if b < ' ' || b > '~' || x >= font.Width {
		return false
	}
	mask := font.Mask.(*image.Alpha)
	return mask.AlphaAt(x, int(b-' ')*(font.Ascent+font.Descent)+y).A > 0
}
