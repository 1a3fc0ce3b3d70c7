// The version that programs, status and events tell.

package let sluiceVersion = "0.1.0"
