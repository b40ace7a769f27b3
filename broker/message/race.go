//go:build race

package message

// poison overwrites memory that nobody holds any more, so that tests see who
// looks at it still.
const poison = true
