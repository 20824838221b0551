package wire

// DecodeRowSlowly is DecodeRow without its fast ways.
func DecodeRowSlowly(line string, keep bool, row *Row) error {
	*row = Row{}
	if err := row.decode(line, keep); err != nil {
		return err
	}
	return row.check()
}
