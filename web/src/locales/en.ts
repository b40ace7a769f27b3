import texts from './en.json'

// English is what the component library speaks by itself.
export default { texts, components: undefined }
