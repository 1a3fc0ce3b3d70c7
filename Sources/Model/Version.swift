// The version that every program answers to --version.

package let sluiceVersion = "0.1.0"
