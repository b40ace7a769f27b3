// Command nubo is a private cloud in one binary; see the README.
package main

import (
	"os"

	"nubo/app"
)

func main() {
	os.Exit(app.Main(os.Args, os.Stdout, os.Stderr))
}
