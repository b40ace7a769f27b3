// Reads text off a canvas: by the shapes of the letters, cell by cell.

/** Gives a canvas's cells as rows of shapes; a shape is a text of 0 and 1. */
export function read(page, canvas, cell) {
  return page.locator(canvas).first().evaluate((c, cell) => {
    const { data, width, height } = c.getContext('2d').getImageData(0, 0, c.width, c.height)
    const rows = []
    for (let y = 0; y + cell.height <= height; y += cell.height) {
      const row = []
      for (let x = 0; x + cell.width <= width; x += cell.width) {
        let shape = ''
        for (let dy = 0; dy < cell.height; dy++)
          for (let dx = 0; dx < cell.width; dx++) {
            const i = ((y + dy) * width + x + dx) * 4
            shape += data[i] + data[i + 1] + data[i + 2] > 300 ? '1' : '0'
          }
        row.push(shape)
      }
      rows.push(row)
    }
    return rows
  }, cell)
}

/** Reads a row by the shapes of letters; '?' is a letter it does not know. */
export function reader(letters) {
  return (row) => row.map((shape) => (/1/.test(shape) ? (letters.get(shape) ?? '?') : ' ')).join('')
}

/** A reader that has learned the letters of rows whose text is known. */
export function learn(rows, known) {
  const letters = new Map()
  known.forEach((text, y) => {
    ;[...text].forEach((letter, x) => {
      letters.set(rows[y][x], letter)
    })
  })
  return reader(letters)
}
